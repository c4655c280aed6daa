/*
 * Load options (UEFI 2.10, 9.1: EFI_LOADED_IMAGE_PROTOCOL) are whatever the caller of LoadImage
 * wanted: UCS-2 text from the shell and from QEMU, binary from some boot managers.
 */
#include "arch/bare/efi/load_options.h"

static bool is_space(uint16_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the first word, which may be quoted because of spaces in a path. */
static size_t skip_word(const uint16_t *text, size_t n, size_t i)
{
	bool quoted = false;

	for (; i < n && (quoted || !is_space(text[i])); i++) {
		if (text[i] == '"')
			quoted = !quoted;
	}
	return i;
}

static size_t skip_spaces(const uint16_t *text, size_t n, size_t i)
{
	while (i < n && is_space(text[i]))
		i++;
	return i;
}

/* Does the word that ends before @end look like a program? */
static bool ends_in_efi(const uint16_t *text, size_t start, size_t end)
{
	static const char suffix[4] = {'.', 'e', 'f', 'i'};

	if (end > start && text[end - 1] == '"')
		end--;
	if (end - start < sizeof(suffix))
		return false;
	for (size_t i = 0; i < sizeof(suffix); i++) {
		uint16_t c = text[end - sizeof(suffix) + i];

		if (c >= 'A' && c <= 'Z')
			c = (uint16_t)(c + ('a' - 'A'));
		if (c != (uint16_t)suffix[i])
			return false;
	}
	return true;
}

enum load_options_result load_options_line(char *line, size_t size, const uint16_t *options,
                                           size_t bytes, bool from_shell)
{
	size_t n = 0, start, end, len = 0;

	line[0] = '\0';
	if (!options)
		return LOAD_OPTIONS_OK;
	for (; n < bytes / sizeof(*options) && options[n]; n++) {
		if (!is_space(options[n]) && (options[n] < ' ' || options[n] > '~'))
			return LOAD_OPTIONS_NOT_TEXT;
	}

	start = skip_spaces(options, n, 0);
	end = skip_word(options, n, start);
	if (from_shell || ends_in_efi(options, start, end))
		start = skip_spaces(options, n, end);
	while (n > start && is_space(options[n - 1]))
		n--;
	if (n - start >= size)
		return LOAD_OPTIONS_TOO_LONG;

	for (size_t i = start; i < n; i++)
		line[len++] = is_space(options[i]) ? ' ' : (char)options[i];
	line[len] = '\0';
	return LOAD_OPTIONS_OK;
}

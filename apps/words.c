/* Words and numbers of a console command's arguments. See words.h. */
#include "apps/words.h"

#define NUMBER_DIGITS 9
#define MASK_DIGITS 16

const char *next_word(const char *args, char word[WORD_LEN])
{
	unsigned n = 0;

	while (*args == ' ')
		args++;
	for (; *args && *args != ' '; args++) {
		if (n < WORD_LEN - 1)
			word[n++] = *args;
	}
	word[n] = '\0';
	return args;
}

bool read_number(const char **text, unsigned *out)
{
	const char *from = *text;
	unsigned n = 0;

	for (; **text >= '0' && **text <= '9' && *text - from < NUMBER_DIGITS; (*text)++)
		n = n * 10 + (unsigned)(**text - '0');
	*out = n;
	return *text != from;
}

bool word_number(const char *word, unsigned *out)
{
	return read_number(&word, out) && !*word;
}

bool read_mask(const char **text, uint64_t *out)
{
	const char *p = *text;
	unsigned digits = 0;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (*out = 0; digits < MASK_DIGITS; digits++, p++) {
		const char c = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (unsigned)(c - 'a' + 10);
		else
			break;
	}
	*text = p;
	return digits != 0;
}

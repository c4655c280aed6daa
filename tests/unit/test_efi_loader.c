/* The parts of BOOTX64.EFI that need no firmware: reading the kernel's ELF file, and load options.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "arch/x86_64/efi/elf_plan.h"
#include "arch/bare/efi/load_options.h"

/* ---- ELF ---------------------------------------------------------------------------------- */

/* Offsets in an ELF-64 file (System V ABI, chapter 4 and 5), written out here once more. */
#define EH_MACHINE 18
#define EH_PHOFF 32
#define EH_PHENTSIZE 54
#define EH_PHNUM 56
#define EH_SIZE 64
#define PH_SIZE 56

struct segment {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz;
};

static uint8_t file[2048];

static void put(size_t at, uint64_t value, size_t bytes)
{
	memcpy(file + at, &value, bytes);
}

static void make_file(const struct segment *segments, unsigned n)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "\177ELF\2\1\1", 7);
	put(EH_MACHINE, 62, 2);
	put(EH_PHOFF, EH_SIZE, 8);
	put(EH_PHENTSIZE, PH_SIZE, 2);
	put(EH_PHNUM, n, 2);
	for (unsigned i = 0; i < n; i++) {
		size_t at = EH_SIZE + i * PH_SIZE;

		put(at, segments[i].type, 4);
		put(at + 8, segments[i].offset, 8);
		put(at + 24, segments[i].paddr, 8);
		put(at + 32, segments[i].filesz, 8);
		put(at + 40, segments[i].memsz, 8);
	}
}

static const char *plan_of(const struct segment *segments, unsigned n, struct elf_plan *plan)
{
	make_file(segments, n);
	return elf_plan_make(file, sizeof(file), plan);
}

Test(elf_plan, copies_what_is_in_the_file_and_zeroes_the_rest)
{
	const struct segment s[] = {
	    {.type = 1, .offset = 512, .paddr = 0x100000, .filesz = 256, .memsz = 256},
	    {.type = 4, .offset = 600, .paddr = 0x50, .filesz = 32, .memsz = 32},
	    {.type = 1, .offset = 1024, .paddr = 0x102010, .filesz = 100, .memsz = 0x3000},
	};
	struct elf_plan plan;

	cr_assert_null(plan_of(s, 3, &plan));
	cr_assert_eq(plan.nb_moves, 2, "only PT_LOAD is moved");
	cr_assert_eq(plan.moves[1].dst, 0x102010);
	cr_assert_eq(plan.moves[1].src, 1024);
	cr_assert_eq(plan.moves[1].copy_bytes, 100);
	cr_assert_eq(plan.moves[1].zero_bytes, 0x3000 - 100);
	cr_assert_eq(plan.first, 0x100000);
	cr_assert_eq(plan.end, 0x106000, "whole pages");
}

Test(elf_plan, takes_segments_in_any_order)
{
	const struct segment s[] = {
	    {.type = 1, .offset = 512, .paddr = 0x300800, .filesz = 8, .memsz = 8},
	    {.type = 1, .offset = 512, .paddr = 0x200800, .filesz = 8, .memsz = 8},
	};
	struct elf_plan plan;

	cr_assert_null(plan_of(s, 2, &plan));
	cr_assert_eq(plan.first, 0x200000);
	cr_assert_eq(plan.end, 0x301000);
}

Test(elf_plan, refuses_segments_that_lie)
{
	const struct segment bad[] = {
	    {.type = 1, .offset = 2000, .paddr = 0x100000, .filesz = 49, .memsz = 49},
	    {.type = 1, .offset = UINT64_MAX, .paddr = 0x100000, .filesz = 2, .memsz = 2},
	    {.type = 1, .offset = 512, .paddr = 0x100000, .filesz = 100, .memsz = 99},
	    {.type = 1, .offset = 512, .paddr = 0xfffffff0, .filesz = 16, .memsz = 17},
	    {.type = 1, .offset = 512, .paddr = UINT64_MAX - 7, .filesz = 8, .memsz = 16},
	    {.type = 1, .offset = 512, .paddr = 0x100000, .filesz = 0, .memsz = UINT64_MAX},
	};
	struct elf_plan plan;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not_null(plan_of(&bad[i], 1, &plan), "segment %zu was taken", i);
}

Test(elf_plan, refuses_more_segments_than_it_can_keep)
{
	struct segment s[ELF_MOVES_MAX + 1];
	struct elf_plan plan;

	for (unsigned i = 0; i < ELF_MOVES_MAX + 1; i++)
		s[i] = (struct segment){.type = 1, .paddr = 0x100000 + i * 0x1000, .memsz = 16};
	cr_assert_null(plan_of(s, ELF_MOVES_MAX, &plan));
	cr_assert_not_null(plan_of(s, ELF_MOVES_MAX + 1, &plan));
}

Test(elf_plan, refuses_files_that_are_no_x86_64_executable)
{
	const struct segment s = {.type = 1, .offset = 512, .paddr = 0x100000, .memsz = 8};
	struct elf_plan plan;

	cr_assert_not_null(plan_of(&s, 0, &plan), "nothing to load");

	make_file(&s, 1);
	cr_assert_null(elf_plan_make(file, sizeof(file), &plan));
	for (size_t len = 0; len < EH_SIZE + PH_SIZE; len++)
		cr_assert_not_null(elf_plan_make(file, len, &plan), "cut off after %zu", len);

	put(EH_MACHINE, 183, 2);
	cr_assert_not_null(elf_plan_make(file, sizeof(file), &plan), "aarch64");
	make_file(&s, 1);
	file[4] = 1;
	cr_assert_not_null(elf_plan_make(file, sizeof(file), &plan), "32 bit");
	make_file(&s, 1);
	put(EH_PHOFF, UINT64_MAX - 8, 8);
	cr_assert_not_null(elf_plan_make(file, sizeof(file), &plan), "headers elsewhere");
	make_file(&s, 1);
	put(EH_PHNUM, 0xffff, 2);
	cr_assert_not_null(elf_plan_make(file, sizeof(file), &plan), "too many headers");
}

/* ---- load options ------------------------------------------------------------------------- */

static char line[64];

/* Load options that are the ASCII @text, with its 0 at the end as the shell has it. */
static enum load_options_result options(const char *text, bool from_shell)
{
	uint16_t wide[256];
	size_t n = strlen(text) + 1;

	for (size_t i = 0; i < n; i++)
		wide[i] = (uint8_t)text[i];
	memset(line, 'x', sizeof(line));
	return load_options_line(line, sizeof(line), wide, n * 2, from_shell);
}

Test(load_options, are_the_words_behind_the_program_in_the_shell)
{
	static const char *const given[] = {
	    "BOOTX64.EFI app=echo net.rxd=64",
	    "fs0:\\EFI\\bootx64.efi  app=echo net.rxd=64 ",
	    "ringzero app=echo net.rxd=64",
	    "\"FS0:\\my dir\\x.efi\"\tapp=echo net.rxd=64\r\n",
	};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		cr_expect_eq(options(given[i], true), LOAD_OPTIONS_OK);
		cr_expect_str_eq(line, "app=echo net.rxd=64", "%s gave '%s'", given[i], line);
	}
	cr_assert_eq(options("BOOTX64.EFI", true), LOAD_OPTIONS_OK);
	cr_assert_str_empty(line);
}

Test(load_options, are_all_words_elsewhere)
{
	cr_assert_eq(options("ap=echo stats=json", false), LOAD_OPTIONS_OK);
	cr_assert_str_eq(line, "ap=echo stats=json");
	cr_assert_eq(options("\\EFI\\BOOT\\BOOTX64.EFI app=echo", false), LOAD_OPTIONS_OK);
	cr_assert_str_eq(line, "app=echo", "a program's name is none of them");
	cr_assert_eq(options("efi", false), LOAD_OPTIONS_OK);
	cr_assert_str_eq(line, "efi", "shorter than the suffix");
}

Test(load_options, may_be_absent_or_without_end)
{
	const uint16_t wide[] = {'a', '=', 'b'};

	cr_assert_eq(load_options_line(line, sizeof(line), NULL, 10, false), LOAD_OPTIONS_OK);
	cr_assert_str_empty(line);
	cr_assert_eq(load_options_line(line, sizeof(line), wide, 0, true), LOAD_OPTIONS_OK);
	cr_assert_str_empty(line);
	cr_assert_eq(load_options_line(line, sizeof(line), wide, 5, false), LOAD_OPTIONS_OK);
	cr_assert_str_eq(line, "a=", "an odd byte at the end is no character");
	cr_assert_eq(load_options_line(line, sizeof(line), wide, 6, false), LOAD_OPTIONS_OK);
	cr_assert_str_eq(line, "a=b");
}

Test(load_options, that_are_no_text_are_said_to_be_none)
{
	const uint16_t guid[] = {0x8108, 0xac4e, 0x9f11, 0x4d59, 0x0e85, 0xe21a, 0x522c, 0xb259};
	const uint16_t umlaut[] = {'a', 0xe4, 0};

	cr_assert_eq(load_options_line(line, sizeof(line), guid, sizeof(guid), false),
	             LOAD_OPTIONS_NOT_TEXT);
	cr_assert_str_empty(line);
	cr_assert_eq(load_options_line(line, sizeof(line), umlaut, sizeof(umlaut), false),
	             LOAD_OPTIONS_NOT_TEXT);
}

Test(load_options, that_do_not_fit_are_refused_whole)
{
	char text[80];

	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	cr_assert_eq(options(text, false), LOAD_OPTIONS_OK);
	cr_assert_eq(strlen(line), 63);
	text[63] = 'a';
	text[64] = '\0';
	cr_assert_eq(options(text, false), LOAD_OPTIONS_TOO_LONG);
	cr_assert_str_empty(line);
}

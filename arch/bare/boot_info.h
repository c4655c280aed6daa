/*
 * What the boot loader left: free memory, the ACPI root pointer, the command line. Each loader has
 * its own format; the parsers turn all of them into struct boot_info and copy what they need, so
 * that nothing of the loader's memory is used afterwards. They are pure functions and trust
 * nothing: physical memory is reached through a reader that says what is readable.
 *
 *	boot_info_add(&bi, ram, bytes);
 *	boot_info_exclude(&bi, image, bytes);
 *	boot_info_align(&bi);
 */
#ifndef ARCH_BARE_BOOT_INFO_H
#define ARCH_BARE_BOOT_INFO_H

#include "kernel/compiler.h"
#include "kernel/main.h"

#define BOOT_RANGES_MAX 30    /* leaves mem_add() room for what start.c adds of its own */
#define BOOT_ENTRIES_MAX 1024 /* of a loader's memory map; more are ignored */
#define BOOT_RSDP_MAX 36

struct boot_range {
	uint64_t base, end;
};

struct boot_info {
	const char *loader;
	char cmdline[BOOT_CMDLINE_LEN];
	bool cmdline_cut;            /* it was longer, and ends with a whole word */
	uint64_t rsdp_phys;          /* 0: unknown, or in @rsdp */
	uint8_t rsdp[BOOT_RSDP_MAX]; /* a copy, where the loader passes one */
	unsigned rsdp_len;           /* 0: no copy */
	unsigned nb_ranges;
	struct boot_range ranges[BOOT_RANGES_MAX]; /* free memory, rising, never touching */
	uint64_t dropped_bytes;                    /* free, but in no range: the table was full */
};

/** The reader: the bytes at @phys, NULL when not all @len of them can be read */
typedef const void *(*boot_phys_fn)(uint64_t phys, uint64_t len);

/** boot_info_add() - [@base, @base + @len) is free; may overlap what is known */
void boot_info_add(struct boot_info *bi, uint64_t base, uint64_t len);

/** boot_info_exclude() - [@base, @base + @len) is not free */
void boot_info_exclude(struct boot_info *bi, uint64_t base, uint64_t len);

/** boot_info_align() - shrink every range to whole pages, drop what is empty then */
void boot_info_align(struct boot_info *bi);

/* An entry of a loader's memory map. */
struct boot_map_entry {
	uint64_t base, len;
	bool usable;
};

/** boot_info_map() - take over a map of entries of @stride bytes; @read understands the one at
 * @pos. Usable entries are added first and all others taken out afterwards, so that a map whose
 * entries overlap errs to the safe side */
void boot_info_map(struct boot_info *bi, const uint8_t *map, uint64_t bytes, uint64_t stride,
                   struct boot_map_entry (*read)(const uint8_t *map, uint64_t pos));

/** boot_parse_efi() - what the loader at @arg passed as struct efi_handoff. Return: 0, or -EINVAL
 * when it is none */
int boot_parse_efi(struct boot_info *bi, uint64_t arg, boot_phys_fn phys);

/** boot_info_cmdline() - take over a command line's first line; at most @max bytes are read */
void boot_info_cmdline(struct boot_info *bi, const char *text, uint64_t max);

/** boot_cut_word() - end @text of @len bytes, whose rest was lost, in front of its last word.
 * Return: the new length */
size_t boot_cut_word(char *text, size_t len);

/** boot_info_cmdline_phys() - the same for a text of unknown length at a physical address */
void boot_info_cmdline_phys(struct boot_info *bi, uint64_t addr, boot_phys_fn phys);

#endif

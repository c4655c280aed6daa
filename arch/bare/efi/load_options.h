/*
 * EFI load options as an option line. The shell puts the program's own name in front, a boot
 * manager may leave bytes there that are no text at all. Pure, so that it is tested on the host.
 */
#ifndef ARCH_BARE_EFI_LOAD_OPTIONS_H
#define ARCH_BARE_EFI_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_options_result { LOAD_OPTIONS_OK, LOAD_OPTIONS_NOT_TEXT, LOAD_OPTIONS_TOO_LONG };

/**
 * load_options_line() - UCS-2 load options to an ASCII line
 * @line:       always terminated; empty when the result is not LOAD_OPTIONS_OK
 * @size:       of @line, at least 1
 * @options:    what the loaded image protocol says; NULL when there are none
 * @bytes:      their length; ends earlier at a NUL
 * @from_shell: the first word is the program's name. Without it, the first word is dropped only
 *              if it ends in ".efi"
 */
enum load_options_result load_options_line(char *line, size_t size, const uint16_t *options,
                                           size_t bytes, bool from_shell);

#endif

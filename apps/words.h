/* Words and numbers of a console command's arguments. */
#ifndef APPS_WORDS_H
#define APPS_WORDS_H

#include "kernel/compiler.h"

#define WORD_LEN 20

/** next_word() - the next word of @args, cut to WORD_LEN - 1; "" when there is none. Return: what
 * follows */
const char *next_word(const char *args, char word[WORD_LEN]);

/** word_number() - a word that is a number of at most 9 digits. False: it is none */
bool word_number(const char *word, unsigned *out);

/** read_number() - such a number at the beginning of *@text, which then follows it. False: there is
 * none */
bool read_number(const char **text, unsigned *out);

/** read_mask() - likewise a mask of 64 bits, hexadecimal with or without 0x, up to 16 digits */
bool read_mask(const char **text, uint64_t *out);

#endif

/*
 * The Toeplitz hash of a frame in software (virtio 5.1.9.4.3): what a device with RSS computes, for
 * ports whose device has none. Addresses and ports as they stand in the frame are the input; for
 * each of its bits that is set, 32 bits of the key that begin at the bit's place are added up. All
 * that a half byte can add at its place is in a table, so an input costs two loads a byte.
 */
#ifndef NET_RSS_HASH_H
#define NET_RSS_HASH_H

#include "net/rss.h"

#define RSS_INPUT_MAX 36 /* two IPv6 addresses and two ports */

struct rss_hash {
	uint32_t types;
	uint32_t part[2 * RSS_INPUT_MAX][16];
};

/** rss_hash_init() - for these types and this key */
void rss_hash_init(struct rss_hash *h, const struct rss *rss);

/**
 * rss_hash_frame() - hash a frame
 * @frame: @len bytes of it, headers in them; what is cut off is hashed by as much as is there
 * @value: the hash; unchanged when there is none
 *
 * Return: what was hashed, a number of virtio 5.1.9.4.5; 0: nothing, it is of none of the types.
 */
uint16_t rss_hash_frame(const struct rss_hash *h, const uint8_t *frame, uint32_t len,
                        uint32_t *value);

#endif

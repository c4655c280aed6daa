/* Ethernet addresses: the part of the wire formats that drivers need too. */
#ifndef NET_MAC_H
#define NET_MAC_H

#include "kernel/unaligned.h"

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return load_u32(a) == load_u32(b) && load_u16(a + 4) == load_u16(b + 4);
}

static inline void mac_copy(uint8_t *to, const uint8_t *from)
{
	__builtin_memcpy(to, from, 6);
}

static inline bool mac_is_multicast(const uint8_t *mac) /* broadcast too */
{
	return mac[0] & 1;
}

static inline bool mac_is_broadcast(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static inline bool mac_is_zero(const uint8_t *mac)
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

#endif

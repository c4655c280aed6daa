/*
 * 802.1Q tags in software: out of a received frame, into one to be sent. Only the addresses in
 *front of the tag move; csum_start moves with the data.
 *
 *	| dst 6 | src 6 | 0x8100 | TCI | type | ...
 *	 ------>-------> 4 bytes on
 */
#ifndef NET_VLAN_H
#define NET_VLAN_H

#include "net/mbuf.h"
#include "net/wire.h"

#define VLAN_MACS 12 /* what stands in front of a tag */

/** vlan_strip() - take the tag out of a frame and set vlan_tci. @m's first segment has the whole
 * tag and the type behind it; a csum_start in use is behind them. False: there is no tag */
static inline bool vlan_strip(struct mbuf *m)
{
	uint8_t *p = mbuf_data(m);

	if (m->data_len < ETH_HDR_LEN + ETH_VLAN_LEN ||
	    load_u16(p + VLAN_MACS) != cpu_to_be16(ETH_TYPE_VLAN))
		return false;
	m->vlan_tci = be16_to_cpu(load_u16(p + VLAN_MACS + 2));

	const uint64_t first = load_u64(p);
	const uint32_t last = load_u32(p + 8);

	store_u64(p + ETH_VLAN_LEN, first);
	__builtin_memcpy(p + ETH_VLAN_LEN + 8, &last, sizeof(last));
	mbuf_pull(m, ETH_VLAN_LEN);
	m->csum_start = (uint16_t)(m->csum_start - ETH_VLAN_LEN);
	return true;
}

/** vlan_insert() - put vlan_tci into a frame as a tag. False: no headroom for it, or no frame */
static inline bool vlan_insert(struct mbuf *m)
{
	if (m->data_off < MBUF_HEADROOM_MIN || m->data_len < ETH_HDR_LEN)
		return false;

	uint8_t *p = mbuf_push(m, ETH_VLAN_LEN);
	const uint64_t first = load_u64(p + ETH_VLAN_LEN);
	const uint32_t last = load_u32(p + ETH_VLAN_LEN + 8);
	const be16 tag[2] = {cpu_to_be16(ETH_TYPE_VLAN), cpu_to_be16(m->vlan_tci)};

	store_u64(p, first);
	__builtin_memcpy(p + 8, &last, sizeof(last));
	__builtin_memcpy(p + VLAN_MACS, tag, sizeof(tag));
	m->csum_start = (uint16_t)(m->csum_start + ETH_VLAN_LEN);
	return true;
}

#endif

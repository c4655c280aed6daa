/* Hashes in software: the published examples, the model's own computation, frames that are cut off;
 * the options. */
#include "tests/unit/flow_frames.h"
#include "tests/unit/vnet_fixture.h"

#include "net/rss.h"
#include "net/rss_hash.h"
#include "tests/unit/said.h"

static const struct rss usual = {
    .types = RSS_ALL,
    .key = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
            0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
            0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa},
};

/* ---- hashes ------------------------------------------------------------------------------- */

static uint32_t hash_of(uint32_t types, const uint8_t *frame, unsigned len, unsigned report)
{
	struct rss rss = usual;
	struct rss_hash h;
	uint32_t value = 0x5a5a5a5a;

	rss.types = types;
	rss_hash_init(&h, &rss);
	cr_assert_eq(rss_hash_frame(&h, frame, len, &value), report);
	return value;
}

Test(rss, the_published_examples_of_ipv4)
{
	static const struct {
		uint8_t src[4], dst[4];
		uint16_t sport, dport;
		uint32_t ip, tcp;
	} cases[] = {
	    {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x323e8fc2, 0x51ccc178},
	    {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xd718262a, 0xc626b0ea},
	    {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
	    {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0x82989176, 0xafc7327f},
	    {{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x5d1809c5, 0x10e828a2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t frame[FLOW_FRAME_MAX];
		const unsigned len = flow_frame(frame, FLOW_TCPV4, 1, 0);
		const uint8_t ports[4] = {(uint8_t)(cases[i].sport >> 8), (uint8_t)cases[i].sport,
		                          (uint8_t)(cases[i].dport >> 8), (uint8_t)cases[i].dport};

		memcpy(frame + 26, cases[i].src, 4);
		memcpy(frame + 30, cases[i].dst, 4);
		memcpy(frame + 34, ports, 4);
		cr_assert_eq(hash_of(RSS_IPV4, frame, len, 1), cases[i].ip, "case %zu", i);
		cr_assert_eq(hash_of(RSS_TCPV4, frame, len, 2), cases[i].tcp, "case %zu", i);
		frame[23] = 17;
		cr_assert_eq(hash_of(RSS_UDPV4, frame, len, 3), cases[i].tcp, "case %zu", i);
	}
}

Test(rss, the_published_examples_of_ipv6)
{
	static const struct {
		uint8_t src[16], dst[16];
		uint16_t sport, dport;
		uint32_t ip, tcp;
	} cases[] = {
	    {{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, [15] = 7},
	     {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, [15] = 1},
	     2794,
	     1766,
	     0x2cc18cd5,
	     0x40207d3d},
	    {{0x3f, 0xfe, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xff, 0xfe, 0x40, 0xef,
	      0xab},
	     {0xff, 0x02, [15] = 1},
	     14230,
	     4739,
	     0x0f0c461c,
	     0xdde51bbf},
	    {{0x3f, 0xfe, 0x19, 0x00, 0x45, 0x45, 0, 0x03, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67,
	      0xcf},
	     {0xfe, 0x80, [8] = 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf},
	     44251,
	     38024,
	     0x4b61e985,
	     0x02d1feef},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t frame[FLOW_FRAME_MAX];
		const unsigned len = flow_frame(frame, FLOW_TCPV6, 1, 0);
		const uint8_t ports[4] = {(uint8_t)(cases[i].sport >> 8), (uint8_t)cases[i].sport,
		                          (uint8_t)(cases[i].dport >> 8), (uint8_t)cases[i].dport};

		memcpy(frame + 22, cases[i].src, 16);
		memcpy(frame + 38, cases[i].dst, 16);
		memcpy(frame + 54, ports, 4);
		cr_assert_eq(hash_of(RSS_IPV6, frame, len, 4), cases[i].ip, "case %zu", i);
		cr_assert_eq(hash_of(RSS_TCPV6, frame, len, 5), cases[i].tcp, "case %zu", i);
	}
}

Test(rss, what_is_hashed_is_what_a_device_hashes)
{
	unsigned reports[VIRTIO_NET_HASH_REPORT_MAX + 1] = {0};

	for (uint64_t seed = 0; seed < 300; seed++) {
		struct rss rss = {.types = mix(1, seed) & RSS_ALL};
		struct rss_hash h;

		flow_bytes(rss.key, sizeof(rss.key), seed);
		rss_hash_init(&h, &rss);
		for (unsigned kind = 0; kind < FLOW_KINDS; kind++) {
			uint8_t frame[FLOW_FRAME_MAX];
			const unsigned len =
			    flow_frame(frame, (enum flow_kind)kind, seed, mix(2, seed) % 4);
			uint32_t value = 0;
			uint16_t want;
			const uint32_t hash = vdev_net_hash(frame, len, rss.types, rss.key, &want);
			const uint16_t report = rss_hash_frame(&h, frame, len, &value);

			cr_assert_eq(report, want, "kind %u, seed %llu", kind,
			             (unsigned long long)seed);
			cr_assert_eq(value, hash, "kind %u, seed %llu", kind,
			             (unsigned long long)seed);
			reports[report]++;
		}
	}
	for (unsigned i = 0; i <= VIRTIO_NET_HASH_REPORT_MAX; i++)
		cr_assert(reports[i], "no report %u", i);
}

/* In a block that ends where the frame does, so that ASan sees a read beyond it. */
Test(rss, frames_that_end_anywhere)
{
	struct rss_hash h;

	rss_hash_init(&h, &usual);
	for (unsigned kind = 0; kind < FLOW_KINDS; kind++) {
		uint8_t frame[FLOW_FRAME_MAX];
		const unsigned len = flow_frame(frame, (enum flow_kind)kind, kind, kind % 3);

		for (unsigned cut = 0; cut <= len; cut++) {
			uint8_t *copy = malloc(cut + 2); /* headers are at even addresses */
			uint32_t value = 0;

			memcpy(copy + 2, frame, cut);
			rss_hash_frame(&h, copy + 2, cut, &value);
			for (unsigned i = 0; i < 20 && cut > 14; i++) {
				copy[2 + 14 + mix(i, cut) % (cut - 14)] = (uint8_t)mix(cut, i);
				rss_hash_frame(&h, copy + 2, cut, &value);
			}
			free(copy);
		}
	}
}

/* ---- options ------------------------------------------------------------------------------ */

static struct rss wish(const char *words, unsigned nb_queues)
{
	struct rss rss;

	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	options(words);
	rss_read_options(0, nb_queues, &rss);
	return rss;
}

Test(rss, options_and_what_holds_without_them)
{
	static const uint8_t five[] = {2, 0, 1, 1, 2};
	struct rss r = wish("", 3);

	cr_assert_eq(rss_mode(0), RSS_OFF);
	cr_assert_eq(r.types, RSS_ALL);
	cr_assert_eq(memcmp(r.key, usual.key, RSS_KEY_LEN), 0);
	for (unsigned i = 0; i < RSS_RETA_LEN; i++)
		cr_assert_eq(r.reta[i], i % 3);

	r = wish("net.rss=auto net.rss_types=ipv4-tcp,udp net0.rss_types=ipv4,ipv6-tcp-ex "
	         "net.rss_reta=2,0,1,1,2 net.rss_key="
	         "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100"
	         "0123456789abcdef",
	         3);
	cr_assert_eq(rss_mode(0), RSS_AUTO);
	cr_assert_eq(r.types, RSS_IPV4 | RSS_TCPV6_EX);
	cr_assert_eq(r.key[15], 0xff);
	cr_assert_eq(r.key[39], 0xef);
	for (unsigned i = 0; i < RSS_RETA_LEN; i++)
		cr_assert_eq(r.reta[i], five[i % 5]);
	cr_assert_not(said("there is no queue"));

	r = wish("net.rss=software net.rss_types=none net.rss_reta=0,7", 4);
	cr_assert_eq(rss_mode(0), RSS_SOFTWARE);
	cr_assert_eq(r.types, 0);
	cr_assert(said("net.rss_reta=0,7: there is no queue 7; 0 is used"));
	cr_assert_eq(r.reta[1], 0);
}

Test(rss, words_that_are_none)
{
	static const char *const words[] = {
	    "net.rss=on",
	    "net.rss_types=udp6",
	    "net.rss_types=",
	    "net.rss_key=00",
	    "net.rss_reta=",
	    "net.rss_reta=0,",
	    "net.rss_reta=128",
	    "net.rss_reta=0;1",
	    "net.rss_reta=-1",
	    "net.rss_key=",
	    "net.rss_reta=0,1,x",
	    "net.rss_key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	    "0123456789abcdeg",
	    "net.rss_key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	    "0123456789abcdef0",
	};

	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		cr_assert_eq(options_parse(words[i], "test"), 1, "%s", words[i]);
}

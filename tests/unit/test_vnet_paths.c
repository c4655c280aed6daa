/*
 * The choice of the paths, over every combination of features, instruction sets and wishes, against
 * the table of docs/paths.md written out once more as plain conditions.
 */
#include "drivers/virtio/vnet_paths.h"
#include "kernel/plat.h"
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "kernel/json.h"

#define MRG_RXBUF VIRTIO_NET_F_MRG_RXBUF
#define INDIRECT VIRTIO_F_INDIRECT_DESC

struct expected {
	char path[64];
	const char *rx, *tx, *tx_path;
	unsigned rx_isa, tx_isa;
};

/* The best that may be used, of those that there is code for. */
static unsigned best(unsigned isa, bool packed)
{
	isa &= VEC_ISA_ALL;
	if (isa & ISA_NEON)
		return ISA_NEON;
	if (packed && (isa & ISA_AVX512))
		return ISA_AVX512;
	if (isa & ISA_AVX2)
		return ISA_AVX2;
	return packed ? 0 : isa & ISA_SSE;
}

static void expect_scalar(const struct vnet_wish *w, struct expected *e)
{
	const bool packed = w->features & PACKED, mrg = w->features & MRG_RXBUF;
	const bool in_order = w->features & IN_ORDER;

	snprintf(e->path, sizeof(e->path), "%s virtqueue %s%s path", packed ? "Packed" : "Split",
	         in_order ? "in-order " : "", mrg ? "mergeable" : "non-mergeable");
	if (packed) {
		e->rx = mrg ? "virtio_recv_mergeable_pkts_packed" : "virtio_recv_pkts_packed";
		e->tx = "virtio_xmit_pkts_packed";
	} else if (in_order) {
		e->rx = "virtio_recv_pkts_inorder";
		e->tx = "virtio_xmit_pkts_inorder";
	} else {
		e->rx = mrg ? "virtio_recv_mergeable_pkts" : "virtio_recv_pkts";
		e->tx = "virtio_xmit_pkts";
	}
}

static void expect_vec(const struct vnet_wish *w, struct expected *e)
{
	const bool packed = w->features & PACKED, in_order = w->features & IN_ORDER;
	const unsigned isa = best(w->isa, packed);
	const bool mrg = w->features & MRG_RXBUF;
	bool rx = !(w->wish & VNET_WISH_LRO), tx = true;

	if (!(w->wish & VNET_WISH_VECTORIZED) || (w->wish & VNET_WISH_HDR_ALONE) || !isa ||
	    packed != in_order)
		return;
	if (w->wish & VNET_WISH_HDR_HASH)
		tx = false; /* headers of 12 bytes are cleared */
	if (!packed) {
		rx = rx && !(w->wish & VNET_WISH_RX_OFFLOADS);
		tx = tx && (w->features & INDIRECT) && !(w->wish & VNET_WISH_TX_OFFLOADS);
	}
	if (rx)
		e->rx_isa = isa;
	if (rx && !mrg) {
		strcpy(e->path, packed ? "Packed virtqueue vectorized Rx path"
		                       : "Split virtqueue vectorized Rx path");
		e->rx = packed ? "virtio_recv_pkts_packed_vec" : "virtio_recv_pkts_vec";
	}
	if (tx) {
		e->tx_path = packed ? "Packed virtqueue vectorized Tx path"
		                    : "Split virtqueue simple Tx path";
		e->tx = packed ? "virtio_xmit_pkts_packed_vec" : "virtio_xmit_pkts_simple";
		e->tx_isa = isa;
	}
}

static void check(const struct vnet_wish *w)
{
	const struct vnet_choice c = vnet_path_select(w);
	const bool asked = w->wish & VNET_WISH_VECTORIZED;
	struct expected e = {.rx_isa = 0};

	expect_scalar(w, &e);
	expect_vec(w, &e);
	cr_log_info("features 0x%llx isa 0x%x wish 0x%x", (unsigned long long)w->features, w->isa,
	            w->wish);
	cr_assert_str_eq(c.rx->name, e.path);
	cr_assert_str_eq(c.rx->rx_name, e.rx);
	cr_assert_str_eq(c.tx->tx_name, e.tx);
	cr_assert(c.rx->rx && c.tx->tx);
	cr_assert_eq(c.rx->isa, e.rx_isa);
	cr_assert_eq(c.tx->isa, e.tx_isa);
	if (e.tx_path)
		cr_assert_str_eq(c.tx->name, e.tx_path);
	/* a reason exactly where something was asked for and refused; the mergeable row is not what
	 * was asked for */
	cr_assert_eq(c.why_no_vec_rx != NULL, asked && (!e.rx_isa || (w->features & MRG_RXBUF)));
	cr_assert_eq(c.why_no_vec_tx != NULL, asked && !e.tx_isa);
}

Test(vnet_paths, every_combination_gives_the_row_of_the_table)
{
	static const uint64_t bits[] = {PACKED, IN_ORDER, MRG_RXBUF, INDIRECT};

	for (unsigned f = 0; f < 1u << ARRAY_SIZE(bits); f++) {
		uint64_t features = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX;

		for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
			features |= f >> i & 1 ? bits[i] : 0;
		for (unsigned isa = 0; isa <= (ISA_SSE | ISA_AVX2 | ISA_AVX512 | ISA_NEON); isa++) {
			for (unsigned wish = 0; wish < 1u << VNET_WISHES; wish++)
				check(&(struct vnet_wish){features, isa, wish});
		}
	}
}

Test(vnet_paths, a_refusal_names_its_reason)
{
	static const struct {
		struct vnet_wish w;
		const char *rx, *tx;
	} cases[] = {
	    {{MRG_RXBUF | INDIRECT, VEC_ISA_BOTH, 0}, "mrg_rxbuf negotiated", NULL},
	    {{IN_ORDER | INDIRECT, VEC_ISA_BOTH, 0}, "in_order negotiated", "in_order negotiated"},
	    {{PACKED, VEC_ISA_BOTH, 0}, "in_order not negotiated", "in_order not negotiated"},
	    {{PACKED | IN_ORDER | MRG_RXBUF, VEC_ISA_BOTH, 0}, "mrg_rxbuf negotiated", NULL},
	    {{PACKED | IN_ORDER, VEC_ISA_SPLIT, 0},
	     "no vector instructions for this ring",
	     "no vector instructions for this ring"},
	    {{PACKED | IN_ORDER, VEC_ISA_BOTH, VNET_WISH_LRO}, "LRO enabled", NULL},
	    {{PACKED | IN_ORDER, VEC_ISA_BOTH, VNET_WISH_HDR_HASH}, NULL, "hash report negotiated"},
	    {{INDIRECT, VEC_ISA_BOTH, VNET_WISH_RX_OFFLOADS}, "Rx offloads enabled", NULL},
	    {{INDIRECT, VEC_ISA_BOTH, VNET_WISH_TX_OFFLOADS}, NULL, "Tx offloads enabled"},
	    {{0, VEC_ISA_BOTH, 0}, NULL, "indirect_desc not negotiated"},
	    {{INDIRECT, VEC_ISA_BOTH, VNET_WISH_HDR_ALONE},
	     "legacy device without any_layout",
	     "legacy device without any_layout"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vnet_wish w = cases[i].w;

		w.wish |= VNET_WISH_VECTORIZED;

		const struct vnet_choice c = vnet_path_select(&w);

		cr_log_info("case %zu", i);
		cr_assert_eq(!c.why_no_vec_rx, !cases[i].rx);
		cr_assert_eq(!c.why_no_vec_tx, !cases[i].tx);
		if (cases[i].rx)
			cr_assert_str_eq(c.why_no_vec_rx, cases[i].rx);
		if (cases[i].tx)
			cr_assert_str_eq(c.why_no_vec_tx, cases[i].tx);
	}
}

Test(vnet_paths, the_isa_option_is_a_cap)
{
	cr_assert_eq(vnet_isa_allowed("scalar"), 0);
	cr_assert_eq(vnet_isa_allowed("sse"), ISA_SSE);
	cr_assert_eq(vnet_isa_allowed("avx2"), ISA_SSE | ISA_AVX2);
	cr_assert_eq(vnet_isa_allowed("avx512"), ISA_SSE | ISA_AVX2 | ISA_AVX512);
	cr_assert_eq(vnet_isa_allowed("neon"), ISA_NEON);
	cr_assert_eq(vnet_isa_allowed("auto"), UINT32_MAX);
	cr_assert_str_eq(vnet_isa_name(0), "scalar");
	cr_assert_str_eq(vnet_isa_name(ISA_AVX512), "avx512");
}

/* ---- as a port has it --------------------------------------------------------------------- */

static struct port port;

static const struct vnet_choice *probe(enum layout layout, unsigned isa, const char *options)
{
	port_open(&port, layout);
	plat_test_isa = isa;
	cr_assert_eq(options_parse(options, "test"), 0);
	port_start(&port);
	return &((struct vnet *)port.vd.driver)->choice;
}

Test(vnet_paths, vector_code_is_for_those_who_ask)
{
	const struct vnet_choice *c = probe(PLAIN, vec_host_isa(), "");

	cr_assert_str_eq(c->rx->name, "Split virtqueue non-mergeable path");
	cr_assert_eq(c->tx->isa, 0);
	cr_assert_null(strstr(plat_test_output(), "vectorized"));
	port_close(&port);
}

Test(vnet_paths, the_log_says_what_was_refused_and_why)
{
	const struct vnet_choice *c = probe(IN_ORDER_MRG, VEC_ISA_BOTH, "net.vectorized=1");

	cr_assert_eq(c->rx->isa, 0);
	cr_assert_not_null(
	    strstr(plat_test_output(), "vectorized Rx disabled: mrg_rxbuf negotiated"));
	cr_assert_not_null(
	    strstr(plat_test_output(), "vectorized Tx disabled: in_order negotiated"));
	cr_assert_null(strstr(plat_test_output(), "vector code:"));
	port_close(&port);
}

Test(vnet_paths, mergeable_receive_has_vector_code_under_its_own_name)
{
	static const char *const isas[] = {VEC_OPTIONS};
	const unsigned isa = vec_host_isa();
	char words[64], said[80];
	const struct vnet_choice *c;

	snprintf(words, sizeof(words), "net.vectorized=1 isa=%s", isas[0]);
	snprintf(said, sizeof(said), "vector code: Rx %s where one buffer holds the packet, Tx %s",
	         isas[0], isas[0]);
	c = probe(MRG, isa, words);
	cr_assert_str_eq(vnet_isa_name(c->rx->isa), isas[0]);
	cr_assert_str_eq(c->rx->name, "Split virtqueue mergeable path");
	cr_assert_str_eq(c->rx->rx_name, "virtio_recv_mergeable_pkts");
	cr_assert_not_null(
	    strstr(plat_test_output(), "vectorized Rx disabled: mrg_rxbuf negotiated"));
	cr_assert_not_null(strstr(plat_test_output(), said));
	port_close(&port);
	if (!(isa & VEC_ISA_BOTH))
		cr_skip_test("this processor has no %s", vnet_isa_name(VEC_ISA_BOTH));
	snprintf(words, sizeof(words), "net.vectorized=1 isa=%s", vnet_isa_name(VEC_ISA_BOTH));
	c = probe(PACKED_IN_ORDER_MRG, isa, words);
	cr_assert_eq(c->rx->isa, VEC_ISA_BOTH);
	cr_assert_str_eq(c->rx->name, "Packed virtqueue in-order mergeable path");
	cr_assert_str_eq(c->rx->rx_name, "virtio_recv_mergeable_pkts_packed");
	port_close(&port);
}

Test(vnet_paths, the_options_cap_what_the_processor_has)
{
	const unsigned all = ISA_SSE | ISA_AVX2 | ISA_AVX512;

	if (vec_host_isa() != all)
		cr_skip_test("this processor has no AVX-512");
	cr_assert_eq(probe(PACKED_IN_ORDER_PLAIN, all, "net.vectorized=1")->rx->isa, ISA_AVX512);
	port_close(&port);
	cr_assert_eq(probe(PACKED_IN_ORDER_PLAIN, all, "net.vectorized=1 isa=avx2")->tx->isa,
	             ISA_AVX2);
	port_close(&port);
	cr_assert_eq(probe(PLAIN, ISA_SSE, "net.vectorized=1 isa=avx512")->rx->isa, ISA_SSE);
	port_close(&port);
	cr_assert_eq(probe(PLAIN, all, "net.vectorized=1 isa=scalar")->rx->isa, 0);
	port_close(&port);
}

Test(vnet_paths, an_instruction_set_of_another_architecture_leaves_none)
{
	cr_assert_eq(
	    probe(PLAIN, VEC_ISA_BOTH, "net.vectorized=1 isa=" VEC_OPTION_FOREIGN)->rx->isa, 0);
	port_close(&port);
}

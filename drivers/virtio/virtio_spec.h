/*
 * Formats and numbers of the virtio specification, version 1.4, as they stand in memory and in
 * registers: shared by the driver, its transports and the device model, so nothing but formats
 * may be here. All fields are little-endian, and so are our processors.
 */
#ifndef DRIVERS_VIRTIO_SPEC_H
#define DRIVERS_VIRTIO_SPEC_H

#include "kernel/compiler.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtio fields are little-endian");

#define VIRTIO_VENDOR_ID 0x1af4
#define VIRTIO_ID_NET 1

/* Device status, virtio 2.1 */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01
#define VIRTIO_STATUS_DRIVER 0x02
#define VIRTIO_STATUS_DRIVER_OK 0x04
#define VIRTIO_STATUS_FEATURES_OK 0x08
#define VIRTIO_STATUS_NEEDS_RESET 0x40
#define VIRTIO_STATUS_FAILED 0x80

/* Feature bits, virtio 2.2, 5.1.3 and 6 */
#define VIRTIO_BIT(n) (1ull << (n))
#define VIRTIO_NET_F_CSUM VIRTIO_BIT(0)
#define VIRTIO_NET_F_GUEST_CSUM VIRTIO_BIT(1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS VIRTIO_BIT(2)
#define VIRTIO_NET_F_MTU VIRTIO_BIT(3)
#define VIRTIO_NET_F_MAC VIRTIO_BIT(5)
#define VIRTIO_NET_F_GUEST_TSO4 VIRTIO_BIT(7)
#define VIRTIO_NET_F_GUEST_TSO6 VIRTIO_BIT(8)
#define VIRTIO_NET_F_HOST_TSO4 VIRTIO_BIT(11)
#define VIRTIO_NET_F_HOST_TSO6 VIRTIO_BIT(12)
#define VIRTIO_NET_F_MRG_RXBUF VIRTIO_BIT(15)
#define VIRTIO_NET_F_STATUS VIRTIO_BIT(16)
#define VIRTIO_NET_F_CTRL_VQ VIRTIO_BIT(17)
#define VIRTIO_NET_F_CTRL_RX VIRTIO_BIT(18)
#define VIRTIO_NET_F_CTRL_VLAN VIRTIO_BIT(19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA VIRTIO_BIT(20)
#define VIRTIO_NET_F_GUEST_ANNOUNCE VIRTIO_BIT(21)
#define VIRTIO_NET_F_MQ VIRTIO_BIT(22)
#define VIRTIO_NET_F_CTRL_MAC_ADDR VIRTIO_BIT(23)
#define VIRTIO_F_NOTIFY_ON_EMPTY VIRTIO_BIT(24) /* legacy */
#define VIRTIO_F_ANY_LAYOUT VIRTIO_BIT(27)      /* legacy */
#define VIRTIO_F_INDIRECT_DESC VIRTIO_BIT(28)
#define VIRTIO_F_EVENT_IDX VIRTIO_BIT(29)
#define VIRTIO_F_VERSION_1 VIRTIO_BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM VIRTIO_BIT(33)
#define VIRTIO_F_RING_PACKED VIRTIO_BIT(34)
#define VIRTIO_F_IN_ORDER VIRTIO_BIT(35)
#define VIRTIO_F_ORDER_PLATFORM VIRTIO_BIT(36)
#define VIRTIO_F_RING_RESET VIRTIO_BIT(40)
#define VIRTIO_NET_F_DEVICE_STATS VIRTIO_BIT(50)
#define VIRTIO_NET_F_VQ_NOTF_COAL VIRTIO_BIT(52)
#define VIRTIO_NET_F_NOTF_COAL VIRTIO_BIT(53)
#define VIRTIO_NET_F_GUEST_USO4 VIRTIO_BIT(54)
#define VIRTIO_NET_F_GUEST_USO6 VIRTIO_BIT(55)
#define VIRTIO_NET_F_HOST_USO VIRTIO_BIT(56)
#define VIRTIO_NET_F_HASH_REPORT VIRTIO_BIT(57)
#define VIRTIO_NET_F_GUEST_HDRLEN VIRTIO_BIT(59)
#define VIRTIO_NET_F_RSS VIRTIO_BIT(60)
#define VIRTIO_NET_F_SPEED_DUPLEX VIRTIO_BIT(63)

/* Split virtqueue, virtio 2.7 */
#define VRING_SIZE_MAX 32768
#define VRING_DESC_F_NEXT 1
#define VRING_DESC_F_WRITE 2
#define VRING_DESC_F_INDIRECT 4
#define VRING_AVAIL_F_NO_INTERRUPT 1
#define VRING_USED_F_NO_NOTIFY 1

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
static_assert(sizeof(struct vring_desc) == 16, "virtio 2.7.5");

/* ring[n] is followed by used_event when EVENT_IDX was negotiated */
struct vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};
static_assert(offsetof(struct vring_avail, ring) == 4, "virtio 2.7.6");

struct vring_used_elem {
	uint32_t id;
	uint32_t len;
};
static_assert(sizeof(struct vring_used_elem) == 8, "virtio 2.7.8");

/* ring[n] is followed by avail_event when EVENT_IDX was negotiated */
struct vring_used {
	uint16_t flags;
	uint16_t idx;
	struct vring_used_elem ring[];
};
static_assert(offsetof(struct vring_used, ring) == 4, "virtio 2.7.8");

/* Packed virtqueue, virtio 2.8 */
#define VRING_PACKED_DESC_F_AVAIL (1u << 7)
#define VRING_PACKED_DESC_F_USED (1u << 15)
#define VRING_PACKED_EVENT_ENABLE 0
#define VRING_PACKED_EVENT_DISABLE 1
#define VRING_PACKED_EVENT_DESC 2 /* only with EVENT_IDX */
#define VRING_PACKED_EVENT_MASK 3
#define VRING_PACKED_EVENT_WRAP 0x8000 /* of off_wrap: the lap that the offset is in */

struct vring_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags; /* stored last: hands the descriptor over */
};
static_assert(sizeof(struct vring_packed_desc) == 16, "virtio 2.8.13");
static_assert(offsetof(struct vring_packed_desc, flags) == 14, "flags after id");

/* virtio 2.8.14: off_wrap in the low half, flags in the high one, read and written as one */
struct vring_packed_event {
	uint32_t word;
};
static_assert(sizeof(struct vring_packed_event) == 4, "virtio 2.8.14");

/* PCI transport, virtio 4.1.4 */
#define VIRTIO_PCI_CAP_VNDR 0x09
#define VIRTIO_PCI_CAP_COMMON_CFG 1
#define VIRTIO_PCI_CAP_NOTIFY_CFG 2
#define VIRTIO_PCI_CAP_ISR_CFG 3
#define VIRTIO_PCI_CAP_DEVICE_CFG 4
#define VIRTIO_PCI_CAP_PCI_CFG 5
#define VIRTIO_PCI_CAP_SHARED_MEMORY_CFG 8
#define VIRTIO_PCI_CAP_VENDOR_CFG 9

struct virtio_pci_cap {
	uint8_t cap_vndr;
	uint8_t cap_next;
	uint8_t cap_len;
	uint8_t cfg_type;
	uint8_t bar;
	uint8_t id;
	uint8_t padding[2];
	uint32_t offset;
	uint32_t length;
};
static_assert(sizeof(struct virtio_pci_cap) == 16, "virtio 4.1.4");

/* virtio 4.1.4.3 */
struct virtio_pci_common_cfg {
	uint32_t device_feature_select;
	uint32_t device_feature;
	uint32_t driver_feature_select;
	uint32_t driver_feature;
	uint16_t config_msix_vector;
	uint16_t num_queues;
	uint8_t device_status;
	uint8_t config_generation;
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_msix_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint32_t queue_desc_lo, queue_desc_hi;
	uint32_t queue_driver_lo, queue_driver_hi;
	uint32_t queue_device_lo, queue_device_hi;
	/* here ends what every device has; the next two come with their features */
	uint16_t queue_notify_config_data;
	uint16_t queue_reset;
};
#define VIRTIO_PCI_COMMON_CFG_MIN 56
static_assert(offsetof(struct virtio_pci_common_cfg, queue_desc_lo) == 32, "virtio 4.1.4.3");
static_assert(offsetof(struct virtio_pci_common_cfg, queue_notify_config_data) == 56, "4.1.4.3");

/* Legacy interface in BAR0, virtio 4.1.4.10 */
#define VIRTIO_LEGACY_DEVICE_FEATURES 0
#define VIRTIO_LEGACY_DRIVER_FEATURES 4
#define VIRTIO_LEGACY_QUEUE_PFN 8
#define VIRTIO_LEGACY_QUEUE_SIZE 12
#define VIRTIO_LEGACY_QUEUE_SELECT 14
#define VIRTIO_LEGACY_QUEUE_NOTIFY 16
#define VIRTIO_LEGACY_STATUS 18
#define VIRTIO_LEGACY_ISR 19
#define VIRTIO_LEGACY_CONFIG_VECTOR 20 /* only while MSI-X is enabled */
#define VIRTIO_LEGACY_QUEUE_VECTOR 22
#define VIRTIO_LEGACY_CONFIG 20      /* device configuration without MSI-X */
#define VIRTIO_LEGACY_CONFIG_MSIX 24 /* and with it */
#define VIRTIO_LEGACY_RING_ALIGN 4096

#define VIRTIO_MSI_NO_VECTOR 0xffff
#define VIRTIO_ISR_QUEUE 1
#define VIRTIO_ISR_CONFIG 2

/* Network device configuration, virtio 5.1.4 */
struct virtio_net_config {
	uint8_t mac[6];
	uint16_t status;
	uint16_t max_virtqueue_pairs;
	uint16_t mtu;
	uint32_t speed;
	uint8_t duplex;
	uint8_t rss_max_key_size;
	uint16_t rss_max_indirection_table_length;
	uint32_t supported_hash_types;
};
static_assert(offsetof(struct virtio_net_config, speed) == 12, "virtio 5.1.4");
#define VIRTIO_NET_S_LINK_UP 1
#define VIRTIO_NET_S_ANNOUNCE 2
#define VIRTIO_NET_MTU_MIN 68

/* Packet header, virtio 5.1.9 */
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_NONE 0
#define VIRTIO_NET_HDR_GSO_TCPV4 1
#define VIRTIO_NET_HDR_GSO_UDP 3 /* fragments, deprecated */
#define VIRTIO_NET_HDR_GSO_TCPV6 4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#define VIRTIO_NET_HDR_GSO_ECN 0x80

struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers; /* with MRG_RXBUF or VERSION_1 */
};
static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio 5.1.9");

/* with HASH_REPORT */
struct virtio_net_hdr_hash {
	struct virtio_net_hdr hdr;
	uint32_t hash_value;
	uint16_t hash_report; /* what was hashed, VIRTIO_NET_HASH_REPORT_... */
	uint16_t padding;
};
static_assert(sizeof(struct virtio_net_hdr_hash) == 20, "virtio 5.1.9");
#define VIRTIO_NET_HDR_LEN_LEGACY 10
#define VIRTIO_NET_HDR_LEN 12
#define VIRTIO_NET_HDR_LEN_HASH 20

/* Hash types, virtio 5.1.9.4.3.1 and 5.1.9.4.5 */
#define VIRTIO_NET_HASH_TYPES_IP 0x1ffu /* IPv4, IPv6, with extension headers, TCP and UDP */
#define VIRTIO_NET_HASH_REPORT_NONE 0
#define VIRTIO_NET_HASH_REPORT_UDPV4 3
#define VIRTIO_NET_HASH_REPORT_MAX 9

/* Control queue, virtio 5.1.9.5 */
#define VIRTIO_NET_CTRL_RX 0
#define VIRTIO_NET_CTRL_RX_PROMISC 0
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1
#define VIRTIO_NET_CTRL_RX_ALLUNI 2
#define VIRTIO_NET_CTRL_RX_NOMULTI 3
#define VIRTIO_NET_CTRL_RX_NOUNI 4
#define VIRTIO_NET_CTRL_RX_NOBCAST 5
#define VIRTIO_NET_CTRL_MAC 1
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0
#define VIRTIO_NET_CTRL_MAC_ADDR_SET 1
#define VIRTIO_NET_CTRL_VLAN 2
#define VIRTIO_NET_CTRL_VLAN_ADD 0
#define VIRTIO_NET_CTRL_VLAN_DEL 1
#define VIRTIO_NET_CTRL_ANNOUNCE 3
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK 0
#define VIRTIO_NET_CTRL_MQ 4
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET 0
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG 1
#define VIRTIO_NET_CTRL_MQ_HASH_CONFIG 2
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS 5
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET 0
#define VIRTIO_NET_CTRL_NOTF_COAL 6
#define VIRTIO_NET_CTRL_NOTF_COAL_TX_SET 0
#define VIRTIO_NET_CTRL_NOTF_COAL_RX_SET 1
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET 2
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET 3
#define VIRTIO_NET_CTRL_STATS 8
#define VIRTIO_NET_CTRL_STATS_QUERY 0
#define VIRTIO_NET_CTRL_STATS_GET 1
#define VIRTIO_NET_OK 0
#define VIRTIO_NET_ERR 1
#define VIRTIO_NET_HASH_KEY_MAX 40   /* what we send; the format allows 255 */
#define VIRTIO_NET_RSS_TABLE_LEN 128 /* likewise; devices have as many at least (5.1.4) */

struct virtio_net_ctrl_hdr {
	uint8_t class;
	uint8_t command;
};
static_assert(sizeof(struct virtio_net_ctrl_hdr) == 2, "virtio 5.1.9.5");

struct virtio_net_hash_config {
	uint32_t hash_types;
	uint16_t reserved[4];
	uint8_t hash_key_length;
	uint8_t hash_key_data[VIRTIO_NET_HASH_KEY_MAX];
} __attribute__((packed));
static_assert(offsetof(struct virtio_net_hash_config, hash_key_data) == 13, "virtio 5.1.9.5.6.4");

/* As long as both its table and its key are as long as here. A queue is that of a pair: bits 1 to
 * 16 of the virtqueue's index. */
struct virtio_net_rss_config {
	uint32_t hash_types;
	uint16_t indirection_table_mask;
	uint16_t unclassified_queue;
	uint16_t indirection_table[VIRTIO_NET_RSS_TABLE_LEN];
	uint16_t max_tx_vq;
	uint8_t hash_key_length;
	uint8_t hash_key_data[VIRTIO_NET_HASH_KEY_MAX];
} __attribute__((packed));
static_assert(offsetof(struct virtio_net_rss_config, hash_key_data) == 267, "virtio 5.1.9.5.7.1");

struct virtio_net_ctrl_coal {
	uint32_t max_packets, max_usecs;
};
static_assert(sizeof(struct virtio_net_ctrl_coal) == 8, "virtio 5.1.9.5.10");

struct virtio_net_ctrl_coal_vq {
	uint16_t vq_index, reserved;
	struct virtio_net_ctrl_coal coal;
};
static_assert(sizeof(struct virtio_net_ctrl_coal_vq) == 12, "virtio 5.1.9.5.10");

/* Statistics, virtio 5.1.9.5.11: a bit of types_bitmap is 1 << the type in a reply */
#define VIRTIO_NET_STATS_RX_BASIC 0
#define VIRTIO_NET_STATS_RX_CSUM 1
#define VIRTIO_NET_STATS_RX_GSO 2
#define VIRTIO_NET_STATS_RX_SPEED 3
#define VIRTIO_NET_STATS_TX_BASIC 16
#define VIRTIO_NET_STATS_TX_CSUM 17
#define VIRTIO_NET_STATS_TX_GSO 18
#define VIRTIO_NET_STATS_TX_SPEED 19
#define VIRTIO_NET_STATS_CVQ 32

struct virtio_net_ctrl_queue_stats {
	uint16_t vq_index;
	uint16_t reserved[3];
	uint64_t types_bitmap;
};
static_assert(sizeof(struct virtio_net_ctrl_queue_stats) == 16, "virtio 5.1.9.5.11.2");

/* followed by counters of 8 bytes each */
struct virtio_net_stats_reply_hdr {
	uint8_t type;
	uint8_t reserved;
	uint16_t vq_index;
	uint16_t reserved1;
	uint16_t size; /* of header and counters */
};
static_assert(sizeof(struct virtio_net_stats_reply_hdr) == 8, "virtio 5.1.9.5.11.2");

#endif

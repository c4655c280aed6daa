/*
 * vhost-switch: a learning Ethernet switch whose ports are vhost-user back ends, or
 * VDUSE devices; see usage(). For who has no DPDK and no Open vSwitch, and for the tests: each port
 * is the device model, which reports every breach of the specification by its driver, and lies when
 * told to.
 */
#include "arch/hosted/unix_path.h"
#include "tools/vswitch/vduse_port.h"
#include "tools/vswitch/vhost_port.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 8
#define WIRE PORTS_MAX /* the number of the port that is no back end */
#define EVERYWHERE (PORTS_MAX + 1)
#define WIRE_BATCH 64
#define WIRE_WAITING_MAX 1024
#define TABLE_SIZE 1024
#define MAC_LEN 6
#define ETH_HEADER_LEN 14
#define IDLE_TURNS 1000 /* before a turn without a packet is followed by a rest */
#define IDLE_REST_NS 50000
#define POLL_EVERY 64 /* turns between two looks at the sockets */
#define PCAP_SNAP 65535
#define PCAP_ETHERNET 1
#define FEATURES                                                                                   \
	(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_INDIRECT_DESC |                    \
	 VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_GUEST_CSUM)

#define VDUSE "vduse:"

static struct vhost_port port[PORTS_MAX];
static struct vduse_port vduse[PORTS_MAX]; /* p is NULL: that port has a socket */
static FILE *capture[PORTS_MAX];
static bool capture_failed;
static unsigned nb_ports;

/* A port of unix datagrams, as QEMU's -netdev dgram has them. The other end holds ten of them, the
 * rest waits here. */
static struct {
	int fd; /* -1: none */
	struct unix_path own;
	struct sockaddr_un peer;
	struct {
		void *data;
		uint32_t len;
	} waiting[WIRE_WAITING_MAX];
	unsigned head, tail; /* free-running */
	uint64_t dropped;
} wire = {.fd = -1};

/* Where a station was heard last; an entry that another one needs is forgotten. */
static struct {
	uint8_t mac[MAC_LEN];
	uint8_t port;
	bool used;
} table[TABLE_SIZE];

static volatile sig_atomic_t stopped;

static const struct {
	const char *name;
	enum vdev_lie lie;
} lies[] = {
    {"id_range", VDEV_LIE_ID_RANGE},
    {"id_idle", VDEV_LIE_ID_IDLE},
    {"id_repeated", VDEV_LIE_ID_REPEATED},
    {"id_ahead", VDEV_LIE_ID_AHEAD},
    {"len", VDEV_LIE_LEN},
    {"len_long", VDEV_LIE_LEN_LONG},
    {"len_short", VDEV_LIE_LEN_SHORT},
    {"num_buffers", VDEV_LIE_NUM_BUFFERS},
    {"csum", VDEV_LIE_CSUM},
    {"desc", VDEV_LIE_DESC},
    {"used_jump", VDEV_LIE_USED_JUMP},
    {"used_back", VDEV_LIE_USED_BACK},
    {"needs_reset", VDEV_LIE_NEEDS_RESET},
};

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* Return: false */
static bool failed(const char *path, int err)
{
	const char *text = strerror(-err);

	if (err == -EADDRINUSE)
		text = "in use by another process";
	else if (err == -ENOTSOCK)
		text = "there is something that is no socket";
	fprintf(stderr, "vhost-switch: %s: %s\n", path, text);
	return false;
}

/* ---- capture ------------------------------------------------------------------------------ */

static void capture_close(unsigned n)
{
	const bool whole = capture[n] && !ferror(capture[n]);

	if (!capture[n] || (!fclose(capture[n]) && whole))
		return;
	fprintf(stderr, "vhost-switch: port%u.pcap: %s: the capture is not complete\n", n,
	        strerror(errno));
	capture_failed = true;
}

static void capture_write(unsigned n, const void *data, size_t len)
{
	if (!capture[n] || fwrite(data, len, 1, capture[n]) == 1)
		return;
	capture_close(n);
	capture[n] = NULL;
}

static bool capture_open(const char *folder, unsigned n)
{
	const uint32_t head[] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, PCAP_SNAP, PCAP_ETHERNET};
	char path[512];

	if (snprintf(path, sizeof(path), "%s/port%u.pcap", folder, n) >= (int)sizeof(path))
		return failed(folder, -ENAMETOOLONG);
	capture[n] = fopen(path, "wb");
	if (!capture[n])
		return failed(path, -errno);
	capture_write(n, head, sizeof(head));
	return true;
}

static void capture_frame(unsigned n, const void *data, uint32_t len)
{
	const uint32_t kept = len < PCAP_SNAP ? len : PCAP_SNAP;
	struct timespec now;

	if (!capture[n])
		return;
	clock_gettime(CLOCK_REALTIME, &now);

	const uint32_t head[] = {(uint32_t)now.tv_sec, (uint32_t)(now.tv_nsec / 1000), kept, len};

	capture_write(n, head, sizeof(head));
	capture_write(n, data, kept);
}

/* ---- switching ---------------------------------------------------------------------------- */

static unsigned slot_of(const uint8_t *mac)
{
	uint32_t h = 0;

	for (unsigned i = 0; i < MAC_LEN; i++)
		h = h * 31 + mac[i];
	return h % TABLE_SIZE;
}

static void learn(const uint8_t *mac, unsigned from)
{
	const unsigned slot = slot_of(mac);

	if (mac[0] & 1)
		return;
	memcpy(table[slot].mac, mac, MAC_LEN);
	table[slot].port = (uint8_t)from;
	table[slot].used = true;
}

static unsigned lookup(const uint8_t *mac)
{
	const unsigned slot = slot_of(mac);

	if ((mac[0] & 1) || !table[slot].used || memcmp(table[slot].mac, mac, MAC_LEN) != 0)
		return EVERYWHERE;
	return table[slot].port;
}

static void wire_push(const uint8_t *data, uint32_t len)
{
	void *copy = wire.head - wire.tail < WIRE_WAITING_MAX ? malloc(len) : NULL;

	if (!copy) {
		wire.dropped++;
		return;
	}
	memcpy(copy, data, len);
	wire.waiting[wire.head % WIRE_WAITING_MAX].data = copy;
	wire.waiting[wire.head++ % WIRE_WAITING_MAX].len = len;
}

static void wire_flush(void)
{
	for (; wire.tail != wire.head; wire.tail++) {
		void *data = wire.waiting[wire.tail % WIRE_WAITING_MAX].data;
		const ssize_t n =
		    sendto(wire.fd, data, wire.waiting[wire.tail % WIRE_WAITING_MAX].len,
		           MSG_DONTWAIT, (const struct sockaddr *)&wire.peer, sizeof(wire.peer));

		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return;
		wire.dropped += n < 0; /* nobody is there */
		free(data);
	}
}

static void forward(const uint8_t *data, uint32_t len, unsigned from)
{
	unsigned to;

	if (len < ETH_HEADER_LEN)
		return;
	learn(data + MAC_LEN, from);
	to = lookup(data);
	for (unsigned i = 0; i < nb_ports; i++) {
		if (i == from || (to != EVERYWHERE && i != to))
			continue;
		capture_frame(i, data, len);
		vhost_port_push(&port[i], data, len);
	}
	if (wire.fd >= 0 && from != WIRE && (to == EVERYWHERE || to == WIRE))
		wire_push(data, len);
}

static unsigned wire_turn(void)
{
	static uint8_t frame[VDEV_FRAME_MAX];
	unsigned n = 0;

	wire_flush();
	while (wire.fd >= 0 && n < WIRE_BATCH) {
		const ssize_t len = recv(wire.fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (len < 0)
			break;
		forward(frame, (uint32_t)len, WIRE);
		n++;
	}
	return n;
}

/* Return: packets moved. */
static unsigned turn(void)
{
	unsigned moved = wire_turn();

	for (unsigned i = 0; i < nb_ports; i++) {
		struct vdev_frame *f;

		moved += vhost_port_step(&port[i]);
		while ((f = vdev_net_tx_pop(&port[i].d, 0)) != NULL) {
			port[i].tx_packets++;
			capture_frame(i, f->data, f->len);
			forward(f->data, f->len, i);
			free(f);
		}
	}
	return moved;
}

static void run(void)
{
	const struct timespec rest = {.tv_nsec = IDLE_REST_NS};
	unsigned idle = 0;

	for (unsigned n = 0; !stopped; n++) {
		idle = turn() ? 0 : idle + 1;
		if (n % POLL_EVERY && idle < IDLE_TURNS)
			continue;
		for (unsigned i = 0; i < nb_ports; i++) {
			if (vduse[i].p)
				vduse_port_poll(&vduse[i]);
			else
				vhost_port_poll(&port[i]);
		}
		if (idle >= IDLE_TURNS)
			nanosleep(&rest, NULL);
	}
}

/* ---- the command line --------------------------------------------------------------------- */

static NORETURN void usage(void)
{
	fprintf(
	    stderr,
	    "usage: vhost-switch [-c] [-f MASK] [-w FOLDER] [-x PORT:RING:LIE:AFTER[:VALUE]] "
	    "SOCKET...\n"
	    "  2 to 8 sockets, each a port of the switch (one alone is a port without a network);\n"
	    "  vduse:NAME is a device of the vDPA bus instead, see vdpa(8): mgmtdev vduse\n"
	    "  -c  connect to the sockets instead of listening there\n"
	    "  -f  offer only these of the features, a number\n"
	    "  -w  capture what each port sends and gets in FOLDER/portN.pcap\n"
	    "  -x  the device at PORT lies once, on ring 0 (its driver receives) or 1, after so\n"
	    "      many buffers:");
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		fprintf(stderr, " %s", lies[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static uint64_t parse_mask(const char *text)
{
	char *end;
	uint64_t mask;

	errno = 0;
	mask = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		usage();
	return mask;
}

static void parse_lie(const char *text)
{
	unsigned n, ring, after, value = 0;
	char name[32];
	int end = 0;

	if (sscanf(text, "%u:%u:%31[a-z_]:%u%n:%u%n", &n, &ring, name, &after, &end, &value, &end) <
	        4 ||
	    text[end] || n >= PORTS_MAX || ring >= VHOST_PORT_RINGS)
		usage();
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		if (strcmp(name, lies[i].name) != 0)
			continue;
		port[n].lie = lies[i].lie;
		port[n].lie_queue = ring;
		port[n].lie_after = after;
		port[n].lie_value = value;
		return;
	}
	usage();
}

/* ---- start and end ------------------------------------------------------------------------ */

/* @paths: OWN,PEER */
static bool wire_open(char *paths)
{
	char *comma = strchr(paths, ',');
	int err;

	if (!comma)
		usage();
	*comma = '\0';
	err = unix_path_address(comma + 1, &wire.peer);
	if (err)
		return failed(comma + 1, err);

	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	err = fd < 0 ? -errno : unix_path_bind(fd, paths, &wire.own);
	if (!err) {
		wire.fd = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return failed(paths, err);
}

static void wire_close(void)
{
	if (wire.fd < 0)
		return;
	for (; wire.tail != wire.head; wire.tail++)
		free(wire.waiting[wire.tail % WIRE_WAITING_MAX].data);
	unix_path_remove(&wire.own);
	close(wire.fd);
}

static bool port_open(char *path, bool connect, uint64_t features)
{
	struct vhost_port *p = &port[nb_ports];
	int err;

	p->offered = features;
	if (!strncmp(path, VDUSE, strlen(VDUSE))) {
		err = vduse_port_open(&vduse[nb_ports], p, path + strlen(VDUSE));
	} else {
		err = vhost_port_open(p, path, connect);
	}
	if (err)
		return failed(path, err);
	nb_ports++;
	return true;
}

static void report(void)
{
	if (wire.fd >= 0)
		printf("%s: %llu dropped\n", wire.own.path, (unsigned long long)wire.dropped);
	for (unsigned i = 0; i < nb_ports; i++)
		printf("%s: %llu packets sent, %llu received, %llu dropped\n", port[i].path,
		       (unsigned long long)port[i].tx_packets,
		       (unsigned long long)port[i].rx_packets, (unsigned long long)port[i].dropped);
}

/* Return: breaches by the drivers. */
static uint64_t ports_close(void)
{
	uint64_t breaches = 0;

	for (unsigned i = 0; i < nb_ports; i++) {
		breaches += vduse[i].p ? vduse_port_close(&vduse[i]) : vhost_port_close(&port[i]);
		capture_close(i);
	}
	return breaches;
}

int main(int argc, char **argv)
{
	const struct sigaction sa = {.sa_handler = on_signal};
	const char *folder = NULL;
	char *wire_paths = NULL;
	uint64_t features = FEATURES, breaches;
	bool connect = false, ok;
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "cd:f:w:x:")) != -1) {
		if (c == 'c')
			connect = true;
		else if (c == 'd')
			wire_paths = optarg;
		else if (c == 'f')
			features &= parse_mask(optarg);
		else if (c == 'w')
			folder = optarg;
		else if (c == 'x')
			parse_lie(optarg);
		else
			usage();
	}
	if (optind == argc || argc - optind > PORTS_MAX)
		usage();
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN); /* what a front end wants to be called by may be anything */
	vhost_region_guard();
	ok = !wire_paths || wire_open(wire_paths);
	for (; ok && optind < argc; optind++)
		ok = port_open(argv[optind], connect, features) &&
		     (!folder || capture_open(folder, nb_ports - 1));
	if (ok) {
		printf("vhost-switch: %u ports\n", nb_ports);
		run();
		report();
	}
	wire_close();
	breaches = ports_close();
	if (!ok || capture_failed)
		return 2;
	return breaches ? 1 : 0;
}

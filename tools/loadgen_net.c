/*
 * loadgen's frames and sockets: Ethernet, IPv4 and UDP headers with right checksums one way, the
 * same checked the other way, over four kinds of socket.
 */
#define _GNU_SOURCE
#include "tools/loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

void die(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- sockets ------------------------------------------------------------------------------- */

/* A connected unix socket can wait until the other end has room; QEMU may not be there yet. */
static void connect_unix(struct link *link)
{
	if (connect(link->fd, (struct sockaddr *)&link->peer, sizeof(struct sockaddr_un)) == 0)
		link->connected = true;
}

static void unix_address(struct sockaddr_un *out, const char *path, size_t len)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (len >= sizeof(out->sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(out->sun_path, path, len);
}

static const char *split(const char *where, char separator)
{
	const char *at = strrchr(where, separator);

	if (!at) {
		fprintf(stderr, "loadgen: \"%s\" needs two parts with '%c' between\n", where,
		        separator);
		exit(2);
	}
	return at;
}

static void open_unix(struct link *link)
{
	const char *where = link->where, *comma = split(where, ',');
	struct sockaddr_un own;

	unix_address(&own, where, (size_t)(comma - where));
	unix_address((struct sockaddr_un *)&link->peer, comma + 1, strlen(comma + 1));
	unlink(own.sun_path);
	link->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&own, sizeof(own)))
		die(own.sun_path);
	connect_unix(link);
}

static void open_inet(struct link *link)
{
	const char *comma = split(link->where, ',');
	struct sockaddr_in own = {.sin_family = AF_INET}, *peer = (struct sockaddr_in *)&link->peer;
	int size = 4 << 20;

	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*peer = own;
	own.sin_port = htons((uint16_t)atoi(link->where));
	peer->sin_port = htons((uint16_t)atoi(comma + 1));
	link->peer_len = sizeof(*peer);
	link->fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(link->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&own, sizeof(own)))
		die(link->where);
}

static void open_packet(struct link *link)
{
	struct sockaddr_ll own = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)if_nametoindex(link->where),
	};

	if (!own.sll_ifindex)
		die(link->where);
	link->fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&own, sizeof(own)))
		die(link->where);
}

static void open_udp(struct link *link)
{
	const char *colon = split(link->where, ':');
	char *host = strndup(link->where, (size_t)(colon - link->where));
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found;

	if (getaddrinfo(host, colon + 1, &hints, &found)) {
		errno = ENOENT;
		die(link->where);
	}
	link->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (link->fd < 0 || connect(link->fd, found->ai_addr, found->ai_addrlen))
		die(link->where);
	freeaddrinfo(found);
	free(host);
}

/* Can this error of sending pass by itself? The guest may be starting, or its queue be full. */
static bool is_passing(int err)
{
	return err == EAGAIN || err == ENOBUFS || err == ENOENT || err == ECONNREFUSED ||
	       err == ENOTCONN || err == ENETDOWN || err == ECONNRESET;
}

void link_open(struct link *link)
{
	static void (*const open_functions[])(struct link *) = {
	    [UNIX_DGRAM] = open_unix,
	    [INET_DGRAM] = open_inet,
	    [PACKET] = open_packet,
	    [UDP] = open_udp,
	};

	open_functions[link->transport](link);
}

static void make_messages(struct mmsghdr *msgs, struct iovec *iov, const struct buffer *buffers,
                          unsigned n)
{
	memset(msgs, 0, n * sizeof(msgs[0]));
	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){buffers[i].data, buffers[i].len};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

unsigned link_send(struct link *link, const struct buffer *buffers, unsigned n)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int sent;

	if (link->transport == UNIX_DGRAM && !link->connected)
		connect_unix(link);
	make_messages(msgs, iov, buffers, n);
	for (unsigned i = 0; i < n && link->peer_len; i++) {
		msgs[i].msg_hdr.msg_name = &link->peer;
		msgs[i].msg_hdr.msg_namelen = link->peer_len;
	}
	sent = sendmmsg(link->fd, msgs, n, MSG_DONTWAIT);
	if (sent >= 0)
		return (unsigned)sent;
	if (!is_passing(errno))
		die("sending");
	if (errno != EAGAIN && errno != ENOBUFS)
		link->connected = false;
	link->blocked++;
	return 0;
}

unsigned link_receive(struct link *link, struct buffer *buffers, unsigned n)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int received;

	make_messages(msgs, iov, buffers, n);
	received = recvmmsg(link->fd, msgs, n, MSG_DONTWAIT, NULL);
	if (received < 0 && !is_passing(errno))
		die("receiving");
	for (int i = 0; i < received; i++)
		buffers[i].len = msgs[i].msg_len;
	return received < 0 ? 0 : (unsigned)received;
}

void link_wait(const struct link *link, bool blocked, int timeout_ms)
{
	struct pollfd p = {.fd = link->fd, .events = POLLIN};

	if (blocked && link->connected)
		p.events |= POLLOUT;
	poll(&p, 1, blocked && !link->connected ? 1 : timeout_ms);
}

/* ---- frames -------------------------------------------------------------------------------- */

static uint32_t sum_words(const uint8_t *p, size_t len, uint32_t sum)
{
	uint64_t wide = sum;
	uint16_t word;

	for (; len > 1; p += 2, len -= 2) {
		memcpy(&word, p, 2);
		wide += word;
	}
	if (len)
		wide += *p;
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

/* Of a datagram with its checksum field as it stands: 0xffff when that is right. */
static uint16_t udp_sum(const struct iphdr *ip, const uint8_t *udp, size_t len)
{
	struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t len;
	} pseudo = {ip->saddr, ip->daddr, 0, IPPROTO_UDP, htons((uint16_t)len)};

	return (uint16_t)sum_words(udp, len, sum_words((uint8_t *)&pseudo, sizeof(pseudo), 0));
}

size_t link_payload_at(const struct link *link)
{
	return link->transport == UDP ? 0 : HEADERS_LEN;
}

size_t link_finish(const struct link *link, uint8_t *buffer, size_t len, uint16_t ip_id)
{
	const size_t udp_len = sizeof(struct udphdr) + len;
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tot_len = htons((uint16_t)(sizeof(ip) + udp_len)),
	    .id = htons(ip_id),
	    .ttl = 64,
	    .protocol = IPPROTO_UDP,
	    .saddr = link->own_ip,
	    .daddr = link->guest_ip,
	};
	struct udphdr udp = {
	    .source = htons(link->own_port),
	    .dest = htons(link->guest_port),
	    .len = htons((uint16_t)udp_len),
	};
	uint8_t *ip_at = buffer + sizeof(struct ether_header), *udp_at = ip_at + sizeof(ip);
	uint16_t sum;

	if (link->transport == UDP)
		return len;
	memcpy(buffer, link->guest_mac, 6);
	memcpy(buffer + 6, link->own_mac, 6);
	buffer[12] = ETHERTYPE_IP >> 8;
	buffer[13] = ETHERTYPE_IP & 0xff;
	ip.check = (uint16_t)~sum_words((uint8_t *)&ip, sizeof(ip), 0);
	memcpy(ip_at, &ip, sizeof(ip));
	memcpy(udp_at, &udp, sizeof(udp));
	sum = (uint16_t)~udp_sum(&ip, udp_at, udp_len);
	udp.check = sum ? sum : 0xffff;
	memcpy(udp_at, &udp, sizeof(udp));
	return HEADERS_LEN + len;
}

static void answer_arp(struct link *link, const uint8_t *frame)
{
	uint8_t reply[42];
	const struct buffer out = {reply, sizeof(reply)};

	memcpy(reply, frame + 6, 6);
	memcpy(reply + 6, link->own_mac, 6);
	memcpy(reply + 12, frame + 12, 8); /* EtherType, hardware, protocol, lengths */
	reply[20] = 0;
	reply[21] = 2;
	memcpy(reply + 22, link->own_mac, 6);
	memcpy(reply + 28, &link->own_ip, 4);
	memcpy(reply + 32, frame + 22, 10);
	link_send(link, &out, 1);
}

static bool is_arp_for_us(const struct link *link, const uint8_t *f, size_t len)
{
	static const uint8_t request[10] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

	return len >= 42 && !memcmp(f + 12, request, sizeof(request)) &&
	       !memcmp(f + 38, &link->own_ip, 4);
}

static enum verdict judge_udp(const struct link *link, const struct buffer *in, size_t len)
{
	const uint8_t *ip_at = in->data + sizeof(struct ether_header);
	const uint8_t *udp_at = ip_at + sizeof(struct iphdr);
	const size_t udp_len = sizeof(struct udphdr) + len;
	struct iphdr ip;
	struct udphdr udp;

	memcpy(&ip, ip_at, sizeof(ip));
	memcpy(&udp, udp_at, sizeof(udp));
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_UDP)
		return FOREIGN;
	if (link->any_header)
		return in->len >= HEADERS_LEN + len ? ANSWER : FOREIGN;
	if (ip.saddr != link->guest_ip || ntohs(udp.source) != link->guest_port ||
	    ntohs(udp.dest) != link->own_port)
		return FOREIGN;
	if (ip.daddr != link->own_ip || ntohs(udp.len) != udp_len ||
	    ntohs(ip.tot_len) != sizeof(ip) + udp_len || in->len < HEADERS_LEN + len ||
	    sum_words(ip_at, sizeof(ip), 0) != 0xffff)
		return BAD;
	/* a tap shows checksums that the host was asked to fill in as unfinished */
	if (link->transport != PACKET && udp.check && udp_sum(&ip, udp_at, udp_len) != 0xffff)
		return BAD;
	return ANSWER;
}

enum verdict link_judge(struct link *link, const struct buffer *in, size_t len,
                        const uint8_t **payload)
{
	*payload = in->data + link_payload_at(link);
	if (link->transport == UDP)
		return in->len == len ? ANSWER : BAD;
	if (is_arp_for_us(link, in->data, in->len)) {
		answer_arp(link, in->data);
		return FOREIGN;
	}
	if (in->len < HEADERS_LEN || in->data[12] != 8 || in->data[13] != 0 ||
	    memcmp(in->data, link->own_mac, 6))
		return FOREIGN;
	return judge_udp(link, in, len);
}

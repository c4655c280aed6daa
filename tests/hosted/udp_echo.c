/*
 * A UDP client for guests that have nothing else: sends datagrams of every size to an echo server,
 * some of them under way at a time, and wants each back as it was, in order. Linked statically.
 *
 *	udp_echo [-g SEGMENTS] ADDRESS PORT COUNT
 *
 * -g: so many datagrams in one call, which the network device cuts (UDP_SEGMENT). The last line
 * says how it ended, and so does the status.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SIZE_MAX_PLAIN 1472
#define SIZE_SEGMENT 1400
#define WINDOW 32
#define SEGMENTS_MAX 32
#define WAIT_MS 10000

static int fd;

/* The n-th datagram: its size and content are functions of n. */
static unsigned size_of(unsigned n, unsigned segments)
{
	return segments ? SIZE_SEGMENT : (n * 769u) % (SIZE_MAX_PLAIN + 1);
}

static void fill(uint8_t *data, unsigned n, unsigned size)
{
	uint32_t x = n * 2654435761u + 1;

	for (unsigned i = 0; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24);
	}
}

static void fail(const char *what, unsigned n)
{
	printf("udp_echo: datagram %u: %s\n", n, what);
	exit(1);
}

static void send_next(unsigned n, unsigned segments)
{
	static uint8_t data[SEGMENTS_MAX * SIZE_SEGMENT];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = data, .iov_len = size_of(n, segments)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	fill(data, n, size_of(n, segments));
	if (segments) {
		const uint16_t size = SIZE_SEGMENT;

		for (unsigned i = 1; i < segments; i++)
			fill(data + i * SIZE_SEGMENT, n + i, SIZE_SEGMENT);
		iov.iov_len = (size_t)segments * SIZE_SEGMENT;
		mh.msg_control = control.bytes;
		mh.msg_controllen = sizeof(control.bytes);

		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	if (sendmsg(fd, &mh, 0) != (ssize_t)iov.iov_len)
		fail(strerror(errno), n);
}

static void receive_next(unsigned n, unsigned segments)
{
	static uint8_t data[65536], wanted[SIZE_MAX_PLAIN];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	const unsigned size = size_of(n, segments);
	ssize_t len;

	if (poll(&p, 1, WAIT_MS) != 1)
		fail("does not come back", n);
	len = recv(fd, data, sizeof(data), 0);
	if (len < 0)
		fail(strerror(errno), n);
	fill(wanted, n, size);
	if (len == (ssize_t)size && !memcmp(data, wanted, size))
		return;
	for (unsigned other = n + 1; other < n + 2 * WINDOW; other++) {
		fill(wanted, other, size_of(other, segments));
		if (len == (ssize_t)size_of(other, segments) && !memcmp(data, wanted, (size_t)len))
			fail("is lost, or comes later than others", n);
	}
	fail("comes back as something else", n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const int room = 4 << 20;
	unsigned segments = 0, count, sent = 0;
	int c;

	while ((c = getopt(argc, argv, "g:")) != -1)
		segments = c == 'g' ? (unsigned)atoi(optarg) : SEGMENTS_MAX + 1;
	if (argc - optind != 3 || segments > SEGMENTS_MAX ||
	    !inet_pton(AF_INET, argv[optind], &to.sin_addr)) {
		fprintf(stderr, "usage: udp_echo [-g SEGMENTS] ADDRESS PORT COUNT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
	count = (unsigned)atoi(argv[optind + 2]);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		fail(strerror(errno), 0);
	for (unsigned n = 0; n < count; n++) {
		/* the first one alone: it waits for ARP, and others could pass it by */
		while (sent < count && sent < (n ? n + WINDOW : 1)) {
			send_next(sent, segments);
			sent += segments ? segments : 1;
		}
		receive_next(n, segments);
	}
	printf("udp_echo: %u datagrams came back\n", count);
	return 0;
}

/*
 * loadgen, the inner interface: how frames are made and looked at, and the socket they travel
 * through (loadgen_net.c); the window, the tally and the options are in loadgen.c.
 */
#ifndef TOOLS_LOADGEN_H
#define TOOLS_LOADGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define BATCH 64
#define FRAME_MAX 9728
#define HEADERS_LEN 42 /* Ethernet, IPv4, UDP */
#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NORETURN __attribute__((noreturn))

enum transport { NO_TRANSPORT, UNIX_DGRAM, INET_DGRAM, PACKET, UDP };

struct link {
	enum transport transport;
	const char *where; /* the transport's argument */
	uint8_t guest_mac[6], own_mac[6];
	uint32_t guest_ip, own_ip; /* network order */
	uint16_t guest_port, own_port;
	bool any_header; /* answers are known by their payload only */

	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_len; /* 0: connected, or needs no address */
	bool connected;     /* UNIX_DGRAM */
	uint64_t blocked;   /* sends that the other end did not take */
};

struct buffer {
	uint8_t *data;
	size_t len;
};

enum verdict { ANSWER, BAD, FOREIGN };

void NORETURN die(const char *what);

/** link_open() - open the socket; ends the program when that cannot be done */
void link_open(struct link *link);

/** link_send() - send up to BATCH buffers. Return: how many went; the others may be tried again */
unsigned link_send(struct link *link, const struct buffer *buffers, unsigned n);

/** link_receive() - receive into up to BATCH buffers, setting their lengths, without waiting */
unsigned link_receive(struct link *link, struct buffer *buffers, unsigned n);

/** link_wait() - sleep until something arrived (or may be sent, if @blocked), or @timeout_ms */
void link_wait(const struct link *link, bool blocked, int timeout_ms);

/** link_payload_at() - where in a buffer to send the payload begins */
size_t link_payload_at(const struct link *link);

/** link_finish() - put the headers in front of a payload of @len bytes. Return: bytes to send */
size_t link_finish(const struct link *link, uint8_t *buffer, size_t len, uint16_t ip_id);

/**
 * link_judge() - look at what was received
 * @payload: set to the UDP payload when the verdict is not FOREIGN; @len is the expected length
 *
 * ARP requests for our address are answered here.
 */
enum verdict link_judge(struct link *link, const struct buffer *in, size_t len,
                        const uint8_t **payload);

#endif

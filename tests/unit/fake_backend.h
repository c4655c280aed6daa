/*
 * A vhost-user backend without a process: drivers/virtio/vhost_link.h on a stream of bytes in
 * memory, with a backend behind it that answers each message at once. It is strict: what a front
 * end must not send is a breach. A fault makes it answer otherwise, late, or not at all; waiting
 * moves the clock of tests/unit/plat_test.h.
 */
#ifndef TESTS_UNIT_FAKE_BACKEND_H
#define TESTS_UNIT_FAKE_BACKEND_H

#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/vhost_spec.h"
#include "drivers/virtio/virtio_spec.h"

#define FAKE_BACKEND_STREAM 4096
#define FAKE_BACKEND_SEEN 128
#define FAKE_BACKEND_RINGS 8
#define FAKE_BACKEND_FDS 40

struct fake_backend {
	/* set by the test */
	uint64_t features, protocol, pairs;
	uint8_t status; /* also the front end's */
	struct virtio_net_config config;
	uint32_t config_bytes;   /* it has so many; for more it answers with nothing */
	bool absent;             /* nobody is at the other end */
	int open_error;          /* open() answers this */
	bool full;               /* it does not read */
	uint64_t refused;        /* acknowledged by 1: bits of request numbers */
	uint64_t late_ns;        /* from a message to its answer */
	bool addresses_anywhere; /* rings need not lie in vhost_memory() */
	bool offers_change;      /* what is accepted may not be what is offered now */
	/* instead of an answer to @m, when it returns true */
	bool (*fault)(const struct vhost_message *m);

	/* the connection */
	uint8_t in[FAKE_BACKEND_STREAM]; /* what the front end has not read yet */
	size_t in_len;
	uint64_t readable_ns;  /* from when on */
	bool hung_up;          /* behind what is in the stream */
	unsigned opens;        /* connections so far */
	unsigned open_fds;     /* event counters */
	unsigned signals;      /* all of them together */
	uint64_t ack_protocol; /* what the front end chose */
	uint64_t ack_features;
	struct {
		uint32_t num, base;
		bool called, addressed, kicked, enabled;
	} ring[FAKE_BACKEND_RINGS];
	bool has_memory;
	struct {
		struct vhost_watch *watch;
		unsigned lcore;
	} watched[FAKE_BACKEND_RINGS];
	unsigned nb_watched;

	/* what it was sent, the last ones when there were more */
	struct vhost_message seen[FAKE_BACKEND_SEEN];
	unsigned nb_seen;

	const char *breach; /* the first */
	uint32_t breach_request;
};

extern struct fake_backend backend;

/** fake_backend_open() - an honest backend with all protocol features, and @bytes of memory for
 * mem_alloc() that is shared with it; 0: memory is the caller's business */
void fake_backend_open(size_t bytes);

/** fake_backend_say() - bytes for the front end to read, as many as still fit into the stream */
void fake_backend_say(const void *bytes, size_t len);

/** fake_backend_answer() - a reply to @request with @len bytes of payload, its head saying @size */
void fake_backend_answer(uint32_t request, const void *payload, uint32_t len, uint32_t size);

/** fake_backend_answer_u64() - a whole and honest one */
void fake_backend_answer_u64(uint32_t request, uint64_t value);

/** fake_backend_times() - how many of the messages seen were @request */
unsigned fake_backend_times(uint32_t request);

/** fake_backend_last() - the last message of that kind, NULL: none */
const struct vhost_message *fake_backend_last(uint32_t request);

#endif

/*
 * The operating system's part of the vhost-user front end, over a real socket: messages with
 * descriptors, pieces, descriptors where none belong, ends that close, and ends that do not read.
 */
#include "arch/hosted/unix_path.c"
#include "arch/hosted/vhost_link.c"

#include "tests/unit/plat_test.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#define SECOND 1000000000ull
#define SMALL 4096

static struct vhost_link l;
static int other; /* the backend's end */

/* Nobody asks the test to end. */
bool plat_end_asked(void)
{
	return false;
}

static void begin(void)
{
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	cr_assert_eq(vhost_link_init(&l, "pair", false), 0);
	l.fd = ends[0];
	other = ends[1];
	plat_test_time_step_ns = 1000; /* time passes, so that a deadline comes */
}

static void finish(void)
{
	vhost_link_close(&l);
	close(other);
}

TestSuite(vhost_link, .init = begin, .fini = finish, .timeout = 20);

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The backend's message with descriptors of a file each. */
static void say_with_files(const char *text, unsigned nb_fds)
{
	struct vhost_link back = {.fd = other};
	int fds[VHOST_LINK_FDS_MAX];

	for (unsigned i = 0; i < nb_fds; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		cr_assert_geq(fds[i], 0);
	}
	cr_assert_eq(vhost_link_send(&back, text, strlen(text), fds, nb_fds), 0);
	for (unsigned i = 0; i < nb_fds; i++)
		close(fds[i]);
}

static uint64_t soon(void)
{
	return plat_time_ns() + SECOND;
}

Test(vhost_link, a_message_carries_descriptors)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_LINK_FDS_MAX)];
	} control;
	char text[16];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr mh = {.msg_iov = &iov,
	                    .msg_iovlen = 1,
	                    .msg_control = control.bytes,
	                    .msg_controllen = sizeof(control.bytes)};
	const int fds[] = {0, 1};
	const struct cmsghdr *c;

	cr_assert_eq(vhost_link_send(&l, "hello", 5, fds, 2), 0);
	cr_assert_eq(recvmsg(other, &mh, 0), 5);
	c = CMSG_FIRSTHDR(&mh);
	cr_assert_not_null(c);
	cr_expect_eq(c->cmsg_type, SCM_RIGHTS);
	cr_expect_eq(c->cmsg_len, CMSG_LEN(2 * sizeof(int)));
	cr_expect_eq(vhost_link_send(&l, "hello", 5, fds, VHOST_LINK_FDS_MAX + 1), -EINVAL);
}

Test(vhost_link, a_message_may_come_in_pieces)
{
	char text[8] = "";

	cr_assert_eq(write(other, "abc", 3), 3);
	cr_expect_eq(vhost_link_recv(&l, text, 2, soon()), 2);
	cr_expect_str_eq(text, "ab");
	cr_assert_eq(write(other, "defg", 4), 4);
	cr_expect_eq(vhost_link_recv(&l, text, 5, soon()), 5);
	cr_expect_str_eq(text, "cdefg");
}

Test(vhost_link, descriptors_that_nobody_wants_are_closed)
{
	const unsigned before = open_files();
	char text[8] = "";

	say_with_files("abc", 1);
	say_with_files("def", VHOST_LINK_FDS_MAX);
	cr_expect_eq(vhost_link_recv(&l, text, 6, soon()), 6);
	cr_expect_str_eq(text, "abcdef");
	cr_expect_eq(open_files(), before);
}

/* More than we make room for: the kernel closes those. */
Test(vhost_link, too_many_descriptors_are_closed_too)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t) "abc", .iov_len = 3};
	struct msghdr mh = {.msg_iov = &iov,
	                    .msg_iovlen = 1,
	                    .msg_control = control.bytes,
	                    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	const unsigned before = open_files();
	char text[8] = "";

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * 64); /* 64 times standard input */
	cr_assert_eq(sendmsg(other, &mh, 0), 3);
	cr_expect_eq(vhost_link_recv(&l, text, 3, soon()), 3);
	cr_expect_str_eq(text, "abc");
	cr_expect_eq(open_files(), before);
}

Test(vhost_link, silence_has_a_limit)
{
	char text[8] = "";

	plat_test_time_step_ns = SECOND / 4; /* each look at the clock */
	cr_expect_eq(vhost_link_recv(&l, text, 1, plat_time_ns() + SECOND), 0);
	cr_assert_eq(write(other, "abc", 3), 3);
	cr_expect_eq(vhost_link_recv(&l, text, 4, plat_time_ns() + SECOND), 3);
	cr_expect_str_eq(text, "abc");
}

Test(vhost_link, what_is_there_now_takes_no_time)
{
	const uint64_t before_ns = plat_test_time_ns;
	char text[8] = "";

	plat_test_time_step_ns = SECOND;
	cr_expect_eq(vhost_link_recv(&l, text, 4, 0), 0);
	cr_assert_eq(write(other, "abc", 3), 3);
	cr_expect_eq(vhost_link_recv(&l, text, 4, 0), 3);
	cr_expect_eq(vhost_link_recv(&l, text, 4, 0), 0);
	cr_expect_eq(plat_test_time_ns, before_ns, "not even a look at the clock");
}

Test(vhost_link, what_was_said_before_the_end_can_be_read)
{
	char text[8] = "";

	cr_expect_not(vhost_link_readable(&l));
	cr_assert_eq(write(other, "abc", 3), 3);
	close(other);
	cr_expect(vhost_link_readable(&l));
	cr_expect_eq(vhost_link_recv(&l, text, 3, soon()), 3);
	cr_expect_str_eq(text, "abc");
	cr_expect(vhost_link_readable(&l));
	cr_expect_eq(vhost_link_recv(&l, text, 1, soon()), -EPIPE);
	cr_expect_eq(vhost_link_send(&l, "x", 1, NULL, 0), -EPIPE);
	other = -1;
}

Test(vhost_link, the_end_may_come_in_the_middle)
{
	char text[8] = "";

	say_with_files("abc", 1);
	close(other);
	cr_expect_eq(vhost_link_recv(&l, text, 4, soon()), -EPIPE);
	other = -1;
}

Test(vhost_link, who_does_not_read_does_not_stop_us)
{
	static const char block[65536];
	const int small = SMALL;
	int err = 0;

	cr_assert_eq(setsockopt(l.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (unsigned i = 0; !err && i < 10000; i++)
		err = vhost_link_send(&l, block, 1000, NULL, 0);
	cr_expect_eq(err, -EAGAIN);
	finish();
	begin();
	cr_assert_eq(setsockopt(l.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	cr_expect_eq(vhost_link_send(&l, block, sizeof(block), NULL, 0), -EAGAIN, "a part of it");
}

/* ---- reaching a backend ------------------------------------------------------------------- */

static char path[64];

static void path_make(void)
{
	snprintf(path, sizeof(path), P_tmpdir "/test_vhost_link.%d", getpid());
}

Test(vhost_link, a_server_goes_on_listening)
{
	struct vhost_link server, client;

	path_make();
	cr_assert_eq(vhost_link_init(&server, path, true), 0);
	cr_assert_eq(vhost_link_init(&client, path, false), 0);
	cr_expect_eq(vhost_link_open(&server), -EAGAIN);
	for (unsigned i = 0; i < 3; i++) {
		char c = 0;

		cr_assert_eq(vhost_link_open(&client), 0);
		cr_assert_eq(vhost_link_open(&server), 0);
		cr_expect_eq(vhost_link_send(&client, "x", 1, NULL, 0), 0);
		cr_expect_eq(vhost_link_recv(&server, &c, 1, soon()), 1);
		vhost_link_close(&client);
		vhost_link_close(&server);
		cr_expect_eq(server.fd, VHOST_LINK_NONE);
	}
	links_remove();
	cr_expect_neq(access(path, F_OK), 0);
	cr_expect_eq(vhost_link_open(&client), -EAGAIN);
}

Test(vhost_link, a_client_waits_a_limited_time)
{
	struct vhost_link client;

	path_make();
	cr_assert_eq(vhost_link_init(&client, path, false), 0);
	plat_test_time_step_ns = SECOND / 4;
	cr_expect_eq(vhost_link_wait(&client, 0, plat_time_ns() + SECOND), -EAGAIN);
}

/* ---- events ------------------------------------------------------------------------------- */

Test(vhost_link, an_event_counter_that_is_full_stays_so)
{
	const uint64_t nearly = UINT64_MAX - 1;
	const int fd = vhost_event_open();
	uint64_t count = 0;

	cr_assert_geq(fd, 0);
	vhost_event_signal(fd);
	vhost_event_signal(fd);
	cr_assert_eq(read(fd, &count, sizeof(count)), sizeof(count));
	cr_expect_eq(count, 2);
	cr_assert_eq(write(fd, &nearly, sizeof(nearly)), sizeof(nearly));
	vhost_event_signal(fd);
	cr_assert_eq(read(fd, &count, sizeof(count)), sizeof(count));
	cr_expect_eq(count, nearly);
	vhost_event_close(fd);
}

/*
 * Reading from a socket that carries descriptors. It uses nothing of the kernel, so that programs
 * beside it can have it too.
 */
#ifndef ARCH_HOSTED_UNIX_SOCKET_H
#define ARCH_HOSTED_UNIX_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#define UNIX_FDS_MAX 8 /* that a message may carry */

/* Descriptors that came along and that nobody has taken. */
struct unix_fds {
	int fd[UNIX_FDS_MAX];
	unsigned n;
};

/**
 * unix_recv() - what there is now of @len bytes, not 0
 *
 * The descriptors that came along join those in @fds, whatever is returned.
 *
 * Return: how many bytes; -EAGAIN when there is nothing now, -EPIPE at the end of the connection,
 * -EMSGSIZE when there were more descriptors than @fds had room for, or than the process may open,
 * or another negative errno.
 */
ssize_t unix_recv(int socket, void *buf, size_t len, struct unix_fds *fds);

/** unix_fds_close() - close those in @fds */
void unix_fds_close(struct unix_fds *fds);

#endif

/*
 * Stream sockets with names in the file system that carry descriptors; nothing here waits. It uses
 * nothing of the kernel, so that programs beside it can have it too.
 */
#ifndef ARCH_HOSTED_UNIX_SOCKET_H
#define ARCH_HOSTED_UNIX_SOCKET_H

#include "arch/hosted/unix_path.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define UNIX_FDS_MAX 8 /* that a message may carry */

/* Descriptors that came along and that nobody has taken. */
struct unix_fds {
	int fd[UNIX_FDS_MAX];
	unsigned n;
	bool lost; /* there were more than there is room for, or than the process may open */
};

/** unix_listen() - a socket that listens at @path; errors and @name as with unix_path_bind().
 * Return: the socket or -errno, as for the others */
int unix_listen(const char *path, struct unix_path *name);

/** unix_connect() - -EAGAIN when too many others wait for the other end */
int unix_connect(const char *path);

/** unix_accept() - -EAGAIN when nobody has connected */
int unix_accept(int listening);

/**
 * unix_recv() - what there is now of @len bytes, not 0
 *
 * The descriptors that came along join those in @fds, whatever is returned.
 *
 * Return: how many bytes; -EAGAIN when there is nothing now, -EPIPE at the end of the connection
 * ...
 */
ssize_t unix_recv(int socket, void *buf, size_t len, struct unix_fds *fds);

/** unix_fds_close() - close those in @fds */
void unix_fds_close(struct unix_fds *fds);

#endif

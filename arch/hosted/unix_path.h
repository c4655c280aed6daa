/*
 * The names of sockets in the file system, for those that listen at one. It uses nothing of the
 * kernel, so that programs beside it can have it too.
 */
#ifndef ARCH_HOSTED_UNIX_PATH_H
#define ARCH_HOSTED_UNIX_PATH_H

#include <sys/types.h>
#include <sys/un.h>

/* A name that was given, and what it was given to: others may have put something else there. */
struct unix_path {
	const char *path;
	dev_t dev;
	ino_t ino;
};

/** unix_path_address() - fill @sun. Return: 0, or -ENAMETOOLONG */
int unix_path_address(const char *path, struct sockaddr_un *sun);

/**
 * unix_path_bind() - give a socket the name @path, which lives as long as @out
 *
 * A socket that nobody has open any more, as a process that was killed leaves it, is replaced; one
 * that is in use is left alone, and its owner sees nothing of the look at it.
 *
 * Return: 0; -EADDRINUSE when a socket there is in use, -ENOTSOCK when there is something else, or
 * another negative errno.
 */
int unix_path_bind(int fd, const char *path, struct unix_path *out);

/** unix_path_remove() - take the name away, if it is still that of the same socket; safe in signal
 * handlers */
void unix_path_remove(const struct unix_path *u);

#endif

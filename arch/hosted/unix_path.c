/* Names of sockets; see the contract. */
#define _GNU_SOURCE
#include "arch/hosted/unix_path.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int unix_path_address(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, strlen(path));
	return 0;
}

/*
 * Is a socket in use? Asked by a datagram socket: a stream that listens there is of another type
 * (EPROTOTYPE), and gets no connection that it would have to serve. Return: 0 when it is not.
 */
static int in_use(const struct sockaddr_un *sun)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)))
		err = errno;
	close(fd);
	if (err == ECONNREFUSED)
		return 0;
	return !err || err == EPROTOTYPE ? -EADDRINUSE : -err;
}

static int remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int err;

	if (lstat(sun->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	err = in_use(sun);
	if (!err && unlink(sun->sun_path) && errno != ENOENT)
		err = -errno;
	return err;
}

int unix_path_bind(int fd, const char *path, struct unix_path *out)
{
	struct sockaddr_un sun;
	struct stat st;
	int err = unix_path_address(path, &sun);

	if (!err)
		err = remove_stale(&sun);
	if (err)
		return err;
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) || lstat(path, &st))
		return -errno;
	*out = (struct unix_path){path, st.st_dev, st.st_ino};
	return 0;
}

void unix_path_remove(const struct unix_path *u)
{
	struct stat st;

	if (!lstat(u->path, &st) && st.st_dev == u->dev && st.st_ino == u->ino)
		unlink(u->path);
}

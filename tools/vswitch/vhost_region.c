/* Mapped memory of front ends; see its header. One thread. */
#include "tools/vswitch/vhost_region.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct vhost_mapping *mapped[VHOST_REGIONS_MAX];

static struct vhost_mapping *mapping_at(const void *addr)
{
	for (unsigned i = 0; i < VHOST_REGIONS_MAX; i++) {
		struct vhost_mapping *m = mapped[i];

		if (m && (uintptr_t)addr - (uintptr_t)m->map < m->map_bytes)
			return m;
	}
	return NULL;
}

/* Whoever looked there goes on and finds zeros. Of system calls mmap is not on POSIX' list of those
 * that a handler may use, but on Linux it is nothing but the call. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	struct vhost_mapping *m = mapping_at(info->si_addr);

	(void)context;
	if (m && mmap(m->map, m->map_bytes, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
		m->cut = 1;
	else
		signal(number, SIG_DFL); /* ours: it happens again */
}

void vhost_region_guard(void)
{
	const struct sigaction sa = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &sa, NULL);
}

int vhost_region_map(struct vhost_mapping *m, const struct vhost_region *r, int fd)
{
	struct stat st;
	unsigned slot = 0;

	if (r->bytes > SIZE_MAX / 2 || r->mmap_offset > SIZE_MAX / 2 ||
	    r->guest_addr + r->bytes < r->guest_addr || !r->bytes ||
	    (r->guest_addr ^ r->mmap_offset) % VHOST_REGION_ALIGN)
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < r->mmap_offset + r->bytes)
		return -EINVAL;
	while (slot < VHOST_REGIONS_MAX && mapped[slot])
		slot++;
	if (slot == VHOST_REGIONS_MAX)
		return -ENOSPC;

	*m = (struct vhost_mapping){.r = *r};
	/* in whole pages, also huge ones; from the start, as offsets need not be such */
	m->map_bytes = align_up(r->mmap_offset + r->bytes, (uint64_t)st.st_blksize);
	m->map = mmap(NULL, m->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m->map == MAP_FAILED) {
		m->map = NULL;
		return -errno;
	}
	mapped[slot] = m;
	return 0;
}

void vhost_region_unmap(struct vhost_mapping *m)
{
	for (unsigned i = 0; i < VHOST_REGIONS_MAX; i++) {
		if (mapped[i] == m)
			mapped[i] = NULL;
	}
	if (m->map)
		munmap(m->map, m->map_bytes);
	m->map = NULL;
}

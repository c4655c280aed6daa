/*
 * Memory, each byte of it twice (kernel/memory.h). What is shared is one file without a name,
 * mapped once, which vhost-user backends map too. Of huge pages when the system has some free; else
 * of ordinary ones, which exist only as far as they are touched. It is sealed, as a backend that
 * cut it short would kill us with SIGBUS. What is ours stands below it, MEM_SHARED_OFFSET away.
 */
#define _GNU_SOURCE
#include "kernel/memory.h"
#include "arch/hosted/hosted.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/assert.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/plat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_BYTES ((size_t)1 << 30)
#define HUGE_PAGE ((size_t)2 << 20)
static_assert(REGION_BYTES <= MEM_SHARED_OFFSET && MEM_SHARED_OFFSET % HUGE_PAGE == 0, "apart");
#define HUGE_BYTES_MAX ((size_t)512 << 20) /* the backend on this machine wants some too */
#define HUGE_BYTES_MIN ((size_t)64 << 20)
#define FREE_HUGE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

static uint8_t *ours;
static struct vhost_memory region = {.fd = VHOST_LINK_NONE};

const struct vhost_memory *vhost_memory(void)
{
	return &region;
}

uint64_t plat_iova(const void *va)
{
	assert((uintptr_t)va - (uintptr_t)region.base < region.bytes);
	return (uint64_t)(uintptr_t)va;
}

/* Half of those that are free: the other half is for the backend. */
static size_t huge_bytes(void)
{
	FILE *f = fopen(FREE_HUGE_PAGES, "re");
	unsigned long pages = 0;

	if (f && fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);

	const size_t bytes = min_u64(pages / 2 * HUGE_PAGE, HUGE_BYTES_MAX);

	return bytes < HUGE_BYTES_MIN ? 0 : bytes;
}

/* Addresses for both: nothing else may come to stand there before they are mapped. */
static int addresses_take(void)
{
	uint8_t *at = mmap(NULL, MEM_SHARED_OFFSET + REGION_BYTES + HUGE_PAGE, PROT_NONE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	ours = at + (align_up((uintptr_t)at, HUGE_PAGE) - (uintptr_t)at);
	return 0;
}

static int region_map(size_t bytes, unsigned flags)
{
	const int taken = addresses_take();

	if (taken)
		return taken;

	const int fd = memfd_create("ringzero", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	void *base = MAP_FAILED;

	if (fd < 0)
		return -errno;

	if (!ftruncate(fd, (off_t)bytes) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		base = mmap(mem_shared(ours), bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		            fd, 0);
	if (base == MAP_FAILED) {
		const int err = -errno;

		close(fd);
		return err;
	}
	region = (struct vhost_memory){.base = base, .bytes = bytes, .fd = fd};
	return 0;
}

/* Pages that are free may be denied all the same (a container's limit), which is told when they are
 * touched: by SIGBUS, or here. Kernels before 5.14 do not know the question. */
static int huge_map(size_t bytes)
{
	int err = region_map(bytes, MFD_HUGETLB);

	if (err || !madvise(region.base, bytes, MADV_POPULATE_WRITE) || errno == EINVAL)
		return err;
	err = -errno;
	munmap(region.base, bytes);
	close(region.fd);
	return err;
}

/* Exists as far as it is touched. */
static int ours_map(void)
{
	if (mprotect(ours, region.bytes, PROT_READ | PROT_WRITE))
		return -errno;
	(void)madvise(ours, region.bytes, MADV_HUGEPAGE); /* a wish; the system may not know it */
	return 0;
}

void memory_init(void)
{
	const size_t huge = huge_bytes();
	const char *pages = "huge pages of 2 MiB";
	int err = huge ? huge_map(huge) : -ENOMEM;

	if (err) {
		pages = huge ? "ordinary pages, as huge pages are denied"
		             : "ordinary pages, as too few huge pages are free";
		err = region_map(REGION_BYTES, 0);
		if (!err) /* a wish, too */
			(void)madvise(region.base, region.bytes, MADV_HUGEPAGE);
	}
	if (!err)
		err = ours_map();
	if (err)
		panic("hosted: no memory: %s", strerror(-err));
	log_info("hosted", "%zu MiB of memory to share with backends, %s", region.bytes >> 20,
	         pages);
	mem_add(ours, region.bytes);
}

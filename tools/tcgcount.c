/*
 * tcgcount - QEMU TCG plugin: how often was each translated block of the guest executed?
 *
 *	qemu-system-x86_64 -accel tcg -plugin ./tcgcount.so,out=FILE ...
 *
 * FILE is mapped and always up to date; a reader takes two snapshots and subtracts (bench/insn.py
 * does). Counting blocks, not just instructions, is what allows to take a polling guest's idle
 * turns out again, and to tell which function the instructions were spent in.
 *
 * FILE: struct header, then BLOCKS_MAX struct block, an open-addressed hash table whose free
 * entries have no instructions. Blocks with the same start and length (translated again, or for
 * another processor) share an entry.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define BLOCKS_MAX (1u << 18)
#define MAGIC 0x746e756f63676374ull /* "tcgcount" */

/* What is used of QEMU's plugin interface, version 2 (QEMU 9.0) and later; Debian ships no header
 * for it. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*tb_trans_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*tb_exec_fn)(unsigned vcpu, void *arg);
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_fn fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, tb_exec_fn fn,
                                          enum qemu_plugin_cb_flags flags, void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

EXPORT extern const int qemu_plugin_version;
const int qemu_plugin_version = 2;

struct header {
	uint64_t magic;
	uint64_t nb_blocks;
	uint64_t overflow; /* blocks that found the table full: the counts are too low */
};

struct block {
	uint64_t vaddr, insns, execs;
};

static struct table {
	struct header header;
	struct block blocks[BLOCKS_MAX];
} * table;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static void count_block(unsigned vcpu, void *arg)
{
	struct block *b = arg;

	(void)vcpu;
	__atomic_fetch_add(&b->execs, 1, __ATOMIC_RELAXED);
}

static struct block *find_block(uint64_t vaddr, uint64_t insns)
{
	uint64_t at = ((vaddr << 8 | (insns & 0xff)) * 0x9e3779b97f4a7c15ull) >> 46;

	for (unsigned tries = 0; tries < BLOCKS_MAX; tries++, at++) {
		struct block *b = &table->blocks[at % BLOCKS_MAX];

		if (!b->insns) {
			b->vaddr = vaddr;
			b->insns = insns;
			table->header.nb_blocks++;
			return b;
		}
		if (b->vaddr == vaddr && b->insns == insns)
			return b;
	}
	table->header.overflow++;
	return NULL;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b;

	(void)id;
	pthread_mutex_lock(&table_lock);
	b = find_block(qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb));
	pthread_mutex_unlock(&table_lock);
	if (b)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, count_block, QEMU_PLUGIN_CB_NO_REGS, b);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *path = NULL;
	int fd;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			path = argv[i] + 4;
	if (!path) {
		fprintf(stderr, "tcgcount: the argument out=FILE is missing\n");
		return 1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*table))) {
		perror(path);
		return 1;
	}
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (table == MAP_FAILED) {
		perror(path);
		return 1;
	}
	table->header.magic = MAGIC;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}

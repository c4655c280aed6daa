/* fw_cfg through its selector and data registers: select an item, read its bytes. */
#include "arch/bare/fw_cfg.h"
#include "kernel/string.h"

#define KEY_SIGNATURE 0x0000
#define KEY_DIRECTORY 0x0019

#define FILES_MAX 512
#define FILE_NAME_LEN 56

struct fw_cfg_file { /* integers are big-endian */
	uint32_t size;
	uint16_t select;
	uint16_t reserved;
	char name[FILE_NAME_LEN];
};
static_assert(sizeof(struct fw_cfg_file) == 64, "fw_cfg, struct FWCfgFile");

static bool fw_cfg_present(const struct fw_cfg_regs *regs)
{
	char signature[4] = {0};

	regs->select(KEY_SIGNATURE);
	regs->read(signature, sizeof(signature));
	return memcmp(signature, "QEMU", sizeof(signature)) == 0;
}

static bool fw_cfg_find(const struct fw_cfg_regs *regs, const char *name, struct fw_cfg_file *file)
{
	uint32_t be_count = 0;

	regs->select(KEY_DIRECTORY);
	regs->read(&be_count, sizeof(be_count));

	const uint64_t count = min_u64(__builtin_bswap32(be_count), FILES_MAX);

	for (uint64_t i = 0; i < count; i++) {
		regs->read(file, sizeof(*file));
		if (strncmp(file->name, name, FILE_NAME_LEN) == 0)
			return true;
	}
	return false;
}

int64_t fw_cfg_read(const struct fw_cfg_regs *regs, const char *name, char *buf, size_t size)
{
	struct fw_cfg_file file = {0};

	buf[0] = '\0';
	if (!regs || !fw_cfg_present(regs) || !fw_cfg_find(regs, name, &file))
		return -1;

	const uint32_t len = __builtin_bswap32(file.size);
	const size_t n = (size_t)min_u64(len, size - 1);

	regs->select(__builtin_bswap16(file.select));
	regs->read(buf, n);
	buf[n] = '\0';
	return len;
}

/* fw_cfg through its two I/O ports: write a selector, read the item's bytes one by one. */
#include "arch/x86_64/fw_cfg.h"
#include "arch/x86_64/pio.h"
#include "kernel/string.h"

#define PORT_SELECTOR 0x510
#define PORT_DATA 0x511
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

static bool fw_cfg_present(void)
{
	char signature[4] = {0};

	pio_write16(PORT_SELECTOR, KEY_SIGNATURE);
	pio_read8_rep(PORT_DATA, signature, sizeof(signature));
	return memcmp(signature, "QEMU", sizeof(signature)) == 0;
}

static bool fw_cfg_find(const char *name, struct fw_cfg_file *file)
{
	uint32_t be_count = 0;

	pio_write16(PORT_SELECTOR, KEY_DIRECTORY);
	pio_read8_rep(PORT_DATA, &be_count, sizeof(be_count));

	const uint64_t count = min_u64(__builtin_bswap32(be_count), FILES_MAX);

	for (uint64_t i = 0; i < count; i++) {
		pio_read8_rep(PORT_DATA, file, sizeof(*file));
		if (strncmp(file->name, name, FILE_NAME_LEN) == 0)
			return true;
	}
	return false;
}

int64_t fw_cfg_read(const char *name, char *buf, size_t size)
{
	struct fw_cfg_file file = {0};

	buf[0] = '\0';
	if (!fw_cfg_present() || !fw_cfg_find(name, &file))
		return -1;

	const uint32_t len = __builtin_bswap32(file.size);
	const size_t n = (size_t)min_u64(len, size - 1);

	pio_write16(PORT_SELECTOR, __builtin_bswap16(file.select));
	pio_read8_rep(PORT_DATA, buf, n);
	buf[n] = '\0';
	return len;
}

/* Load options, firmware tables and the memory map, and the way out (UEFI 2.10, chapters 4, 7, 9).
 */
#include "arch/bare/efi/handover.h"

#include "arch/bare/efi/load_options.h"

#define EXIT_TRIES 8 /* the map may change between reading it and leaving */

/* Devicetree Specification 0.4 and UEFI 2.10, 4.6.1.3 */
#define DEVTREE_GUID                                                                               \
	{                                                                                          \
		0xb1b621d5, 0xf19c, 0x41a5,                                                        \
		{                                                                                  \
			0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0                             \
		}                                                                                  \
	}

static EFI_STATUS find_options(EFI_HANDLE image, char *line, UINTN size)
{
	EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;
	EFI_GUID shell_guid = EFI_SHELL_PARAMETERS_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *loaded;
	VOID *shell;
	BOOLEAN from_shell;
	EFI_STATUS status = BS->HandleProtocol(image, &loaded_image_guid, (VOID **)&loaded);

	if (EFI_ERROR(status)) {
		Print(L"ringzero: the firmware does not say how it loaded us: %r\n", status);
		return status;
	}
	from_shell = !EFI_ERROR(BS->HandleProtocol(image, &shell_guid, &shell));

	switch (load_options_line(line, size, loaded->LoadOptions, loaded->LoadOptionsSize,
	                          from_shell)) {
	case LOAD_OPTIONS_OK:
		return EFI_SUCCESS;
	case LOAD_OPTIONS_NOT_TEXT:
		Print(L"ringzero: the load options are not text: ignored\n");
		return EFI_SUCCESS;
	case LOAD_OPTIONS_TOO_LONG:
		break;
	}
	Print(L"ringzero: the load options have more than %d characters\n", (INT32)size - 1);
	return EFI_INVALID_PARAMETER;
}

static UINT64 find_table(EFI_GUID guid)
{
	VOID *table = NULL;

	return EFI_ERROR(LibGetSystemConfigurationTable(&guid, &table)) ? 0 : (UINT64)table;
}

EFI_STATUS efi_fill_kept(struct kept *kept, EFI_HANDLE image)
{
	const EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID, tree = DEVTREE_GUID;
	const UINT64 rsdp = find_table(acpi2);

	kept->handoff = (struct efi_handoff){
	    .magic = EFI_HANDOFF_MAGIC,
	    .rsdp = rsdp ? rsdp : find_table(acpi1),
	    .cmdline = (UINT64)kept->cmdline,
	    .map = (UINT64)kept->map,
	    .devtree = find_table(tree),
	};
	return find_options(image, kept->cmdline, sizeof(kept->cmdline));
}

EFI_STATUS efi_read_map(struct kept *kept, UINTN *key)
{
	UINTN bytes = sizeof(kept->map), desc_size;
	UINT32 version;
	EFI_STATUS status = BS->GetMemoryMap(&bytes, (VOID *)kept->map, key, &desc_size, &version);

	if (EFI_ERROR(status))
		return status;
	kept->handoff.map_bytes = bytes;
	kept->handoff.desc_size = desc_size;
	return EFI_SUCCESS;
}

EFI_STATUS efi_leave(EFI_HANDLE image, struct kept *kept)
{
	EFI_STATUS status = EFI_SUCCESS;

	for (unsigned i = 0; i < EXIT_TRIES; i++) {
		UINTN key;

		status = efi_read_map(kept, &key);
		if (EFI_ERROR(status))
			return status;
		status = BS->ExitBootServices(image, key);
		if (status != EFI_INVALID_PARAMETER)
			return status;
	}
	return status;
}

/*
 * BOOTAA64.EFI: starts ringzero under UEFI without another boot loader. The kernel's image is
 * inside this program (kernel.S) and may run anywhere, so it gets pages of its own, is copied
 * there, and is entered as any other loader of arm64 images does it: MMU off, what was written in
 * memory and not only in a cache. Errors are printed and returned to the firmware, which goes on
 * with its next boot option. UEFI 2.10, chapters 2.3.6, 7, 9.
 */
#include "arch/bare/efi/handover.h"

#include "arch/aarch64/efi/kernel.h"

#define IMAGE_ALIGN 0x200000u /* the boot protocol wants it */

struct image {
	UINT8 *at;
	UINTN bytes; /* with what is not in the file */
};

/* The header says how much room the image needs behind its file. */
static EFI_STATUS place_image(struct image *image)
{
	const struct kernel_header *h = (const void *)kernel_file;
	const UINTN file_bytes = (UINTN)(kernel_file_end - kernel_file);
	EFI_PHYSICAL_ADDRESS at = 0;
	EFI_STATUS status;

	if (h->magic != KERNEL_MAGIC || h->image_bytes < file_bytes) {
		Print(L"ringzero: the kernel in this program is damaged\n");
		return EFI_LOAD_ERROR;
	}
	image->bytes = (UINTN)h->image_bytes;
	status = BS->AllocatePages(AllocateAnyPages, EfiLoaderCode,
	                           (image->bytes + IMAGE_ALIGN + PAGE - 1) / PAGE, &at);
	if (EFI_ERROR(status)) {
		Print(L"ringzero: not enough memory for the kernel, %ld KiB\n", image->bytes >> 10);
		return status;
	}
	image->at = (UINT8 *)((at + IMAGE_ALIGN - 1) & ~(UINT64)(IMAGE_ALIGN - 1));
	CopyMem(image->at, (VOID *)kernel_file, file_bytes);
	return EFI_SUCCESS;
}

static EFI_STATUS prepare(EFI_HANDLE handle, struct image *image, struct kept **kept)
{
	EFI_PHYSICAL_ADDRESS at = 0;
	EFI_STATUS status = place_image(image);

	if (EFI_ERROR(status))
		return status;
	status = BS->AllocatePages(AllocateAnyPages, EfiLoaderData,
	                           (sizeof(**kept) + PAGE - 1) / PAGE, &at);
	if (EFI_ERROR(status)) {
		Print(L"ringzero: not enough memory for what the kernel is told\n");
		return status;
	}
	*kept = (struct kept *)at;
	return efi_fill_kept(*kept, handle);
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
	struct image image;
	struct kept *kept;
	EFI_STATUS status;

	InitializeLib(handle, system);
	(void)BS->SetWatchdogTimer(0, 0, 0, NULL);

	status = prepare(handle, &image, &kept);
	if (EFI_ERROR(status))
		return status;
	status = efi_leave(handle, kept);
	if (EFI_ERROR(status))
		return status;
	kernel_enter(&kept->handoff, image.at, image.bytes);
	return EFI_ABORTED;
}

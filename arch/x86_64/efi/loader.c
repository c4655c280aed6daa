/*
 * BOOTX64.EFI: starts ringzero under UEFI without another boot loader. The kernel, an ELF file
 * linked to run at 1 MiB, is inside this program (jump.asm).
 *
 * Firmware may itself live where the kernel belongs, so nothing is written there while boot
 * services run: the file is staged elsewhere, and code in a page of its own moves the segments
 * after ExitBootServices(). Everything that can fail is done before; errors are printed and
 * returned to the firmware, which goes on with its next boot option. UEFI 2.10, chapters 4, 7, 9.
 */
#include <efi.h>
#include <efilib.h>

#include "arch/bare/efi/handover.h"
#include "arch/x86_64/efi/elf_plan.h"
#include "arch/x86_64/efi/jump.h"

#define BELOW_4G 0xffffffffull
#define PLACE_TRIES 64 /* pages may be offered inside the kernel's range; then ask again */
#define PTE_PRESENT_WRITE 0x3ull
#define PDE_2M 0x80ull

/* For the jump alone. EfiLoaderCode, since firmware may make other types not executable. */
struct stage {
	UINT8 code[PAGE];
	UINT8 stack[PAGE];
	UINT64 pml4[512];
	UINT64 pdpt[512];
	UINT64 pd[4][512];
	struct jump_args args;
	UINT8 file[] __attribute__((aligned(PAGE)));
};

typedef void (*jump_fn)(struct jump_args *) __attribute__((sysv_abi));

/* Pages below 4 GiB that the kernel's segments will not overwrite; NULL when there are none. What
 * is offered inside of the range stays taken, so that the next offer is another one. */
static void *alloc_outside(const struct elf_plan *plan, EFI_MEMORY_TYPE type, UINTN bytes)
{
	UINTN pages = (bytes + PAGE - 1) / PAGE;

	for (unsigned i = 0; i < PLACE_TRIES; i++) {
		EFI_PHYSICAL_ADDRESS at = BELOW_4G;

		if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, pages, &at)))
			return NULL;
		if (at >= plan->end || at + pages * PAGE <= plan->first)
			return (void *)at;
	}
	return NULL;
}

/* Is this memory ours once boot services have ended? */
static BOOLEAN is_free_after_exit(UINT32 type)
{
	return type == EfiConventionalMemory || type == EfiLoaderCode || type == EfiLoaderData ||
	       type == EfiBootServicesCode || type == EfiBootServicesData;
}

static const EFI_MEMORY_DESCRIPTOR *descriptor_of(const struct kept *kept, UINT64 addr)
{
	for (UINT64 i = 0; i + kept->handoff.desc_size <= kept->handoff.map_bytes;
	     i += kept->handoff.desc_size) {
		const EFI_MEMORY_DESCRIPTOR *d = (const void *)(kept->map + i);

		if (addr >= d->PhysicalStart && addr - d->PhysicalStart < d->NumberOfPages * PAGE)
			return d;
	}
	return NULL;
}

/* Each round steps over one descriptor, so the walk is as long as the range has pages at most. */
static EFI_STATUS check_range(const struct kept *kept, const struct elf_plan *plan)
{
	for (UINT64 at = plan->first; at < plan->end;) {
		const EFI_MEMORY_DESCRIPTOR *d = descriptor_of(kept, at);

		if (!d) {
			Print(L"ringzero: the kernel needs 0x%lx-0x%lx, but there is no memory at "
			      L"0x%lx\n",
			      plan->first, plan->end, at);
			return EFI_UNSUPPORTED;
		}
		if (!is_free_after_exit(d->Type)) {
			Print(
			    L"ringzero: the kernel needs 0x%lx-0x%lx, but the firmware keeps 0x%lx "
			    L"(memory type %d)\n",
			    plan->first, plan->end, at, d->Type);
			return EFI_UNSUPPORTED;
		}
		at = d->PhysicalStart + d->NumberOfPages * PAGE;
	}
	return EFI_SUCCESS;
}

static void fill_stage(struct stage *stage, const struct elf_plan *plan, UINTN file_bytes)
{
	struct jump_args *args = &stage->args;

	CopyMem(stage->code, jump_code, (UINTN)(jump_code_end - jump_code));
	CopyMem(stage->file, kernel_file, file_bytes);

	ZeroMem(stage->pml4, sizeof(stage->pml4));
	ZeroMem(stage->pdpt, sizeof(stage->pdpt));
	stage->pml4[0] = (UINT64)stage->pdpt | PTE_PRESENT_WRITE;
	for (UINT64 i = 0; i < 4; i++) {
		stage->pdpt[i] = (UINT64)stage->pd[i] | PTE_PRESENT_WRITE;
		for (UINT64 j = 0; j < 512; j++)
			stage->pd[i][j] = (i << 30 | j << 21) | PDE_2M | PTE_PRESENT_WRITE;
	}

	args->cr3 = (UINT64)stage->pml4;
	args->stack_top = (UINT64)stage->stack + sizeof(stage->stack);
	args->entry = kernel_entry;
	args->nb_moves = plan->nb_moves;
	for (UINT64 i = 0; i < plan->nb_moves; i++) {
		args->moves[i] = plan->moves[i];
		args->moves[i].src += (UINT64)stage->file;
	}
}

static EFI_STATUS prepare(EFI_HANDLE image, struct stage **stage, struct kept **kept)
{
	UINTN file_bytes = (UINTN)(kernel_file_end - kernel_file), key;
	struct elf_plan plan;
	EFI_PHYSICAL_ADDRESS at;
	EFI_STATUS status;
	const char *why = elf_plan_make(kernel_file, file_bytes, &plan);

	if (why) {
		Print(L"ringzero: the kernel in this program cannot be loaded: %a\n", why);
		return EFI_LOAD_ERROR;
	}

	/* keeps our own pages out of the range; no matter if the firmware has some of it */
	at = plan.first;
	(void)BS->AllocatePages(AllocateAddress, EfiLoaderData, (plan.end - plan.first) / PAGE,
	                        &at);

	*stage = alloc_outside(&plan, EfiLoaderCode, sizeof(**stage) + file_bytes);
	*kept = alloc_outside(&plan, EfiLoaderData, sizeof(**kept));
	if (!*stage || !*kept) {
		Print(L"ringzero: not enough memory below 4 GiB\n");
		return EFI_OUT_OF_RESOURCES;
	}
	fill_stage(*stage, &plan, file_bytes);
	(*stage)->args.handoff = (UINT64) & (*kept)->handoff;

	status = efi_fill_kept(*kept, image);
	if (EFI_ERROR(status))
		return status;

	status = efi_read_map(*kept, &key);
	if (EFI_ERROR(status)) {
		Print(L"ringzero: reading the memory map failed: %r\n", status);
		return status;
	}
	return check_range(*kept, &plan);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	struct stage *stage;
	struct kept *kept;
	EFI_STATUS status;

	InitializeLib(image, system);
	(void)BS->SetWatchdogTimer(0, 0, 0, NULL);

	status = prepare(image, &stage, &kept);
	if (EFI_ERROR(status))
		return status;
	status = efi_leave(image, kept);
	if (EFI_ERROR(status))
		return status;

	((jump_fn)(UINTN)stage->code)(&stage->args);
	return EFI_ABORTED;
}

/*
 * Backtraces over frame pointers: each function's frame starts with its caller's frame pointer and
 * the return address, on x86_64 and aarch64 alike. The chain may be broken by whatever went wrong,
 * so it is followed only inside our stacks, upwards, and for so many steps.
 */
#include "arch/bare/backtrace.h"
#include "arch/bare/image_layout.h"
#include "arch/bare/stack.h"
#include "kernel/console.h"
#include "kernel/plat.h"
#include "kernel/symbols.h"

#define LINES_MAX 32
#define CALLERS_MAX 4096 /* more do not fit on a stack */

struct call_frame {
	uint64_t caller_fp, return_addr;
};

static bool is_text(uint64_t addr)
{
	return addr > (uint64_t)(uintptr_t)image_start && addr < (uint64_t)(uintptr_t)text_end;
}

static const struct call_frame *frame_at(uint64_t fp)
{
	struct stack s;

	if (!stack_of(fp, &s) || fp % sizeof(uint64_t) ||
	    stack_top(&s) - fp < sizeof(struct call_frame))
		return NULL;
	return (const struct call_frame *)(uintptr_t)fp;
}

static bool is_same_stack(uint64_t a, uint64_t b)
{
	struct stack of_a, of_b;

	return stack_of(a, &of_a) && stack_of(b, &of_b) && of_a.base == of_b.base;
}

static void print_name(uint64_t addr, uint64_t back)
{
	uint64_t offset;
	const char *name = symbols_find(&symbols_table, addr - back - IMAGE_MOVED, &offset);

	if (name)
		console_printf("  %016llx %s+0x%llx\n", (unsigned long long)addr, name,
		               (unsigned long long)(offset + back));
	else
		console_printf("  %016llx (no function)\n", (unsigned long long)addr);
}

void backtrace_print_address(uint64_t addr)
{
	print_name(addr, 0);
}

void backtrace_print_return(uint64_t return_addr)
{
	if (is_text(return_addr))
		print_name(return_addr, 1);
}

/* After a call through a bad pointer there is no frame yet, only the return address. */
void backtrace_print_bad_call(uint64_t pc, uint64_t sp)
{
	struct stack s;

	if (is_text(pc) || !stack_of(sp, &s) || sp % sizeof(uint64_t))
		return;

	backtrace_print_return(*(const uint64_t *)(uintptr_t)sp);
}

/* A run of the same return address is recursion, of which one line tells as much as a hundred. */
void backtrace_print(uint64_t fp)
{
	const struct call_frame *f = frame_at(fp);
	uint64_t last = 0;
	unsigned lines = 0, repeats = 0;

	for (unsigned i = 0; f && i < CALLERS_MAX && lines < LINES_MAX; i++) {
		if (f->return_addr == last) {
			repeats++;
		} else {
			if (repeats)
				console_printf("  the same %u times more\n", repeats);
			if (!is_text(f->return_addr))
				return;
			/* The call stands before the address that it returns to. */
			print_name(f->return_addr, 1);
			last = f->return_addr;
			repeats = 0;
			lines++;
		}
		if (f->caller_fp <= fp && is_same_stack(f->caller_fp, fp))
			return;
		fp = f->caller_fp;
		f = frame_at(fp);
	}
	if (repeats)
		console_printf("  the same %u times more\n", repeats);
}

void plat_backtrace(void)
{
	console_printf("backtrace:\n");
	backtrace_print((uint64_t)(uintptr_t)__builtin_frame_address(0));
	__asm__ volatile(""); /* not a jump: the frame has to stay */
}

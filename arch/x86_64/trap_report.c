/*
 * The report of an exception. It starts with "panic:" like any other end of the machine, and says
 * in words what the processor encodes in error codes and CR2.
 */
#include "arch/x86_64/trap_report.h"
#include "arch/bare/backtrace.h"
#include "arch/x86_64/regs.h"
#include "arch/bare/stack.h"
#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/plat.h"
#include "kernel/fmt.h"

#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14

#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_RESERVED (1u << 3)
#define PF_FETCH (1u << 4)

#define WHAT_MAX 160

static const char *const names[TRAP_EXCEPTIONS] = {
    [0] = "divide error (#DE)",
    [1] = "debug exception (#DB)",
    [2] = "non-maskable interrupt (NMI)",
    [3] = "breakpoint (#BP)",
    [4] = "overflow (#OF)",
    [5] = "bound range exceeded (#BR)",
    [6] = "invalid opcode (#UD)",
    [7] = "device not available (#NM)",
    [8] = "double fault (#DF)",
    [10] = "invalid TSS (#TS)",
    [11] = "segment not present (#NP)",
    [12] = "stack-segment fault (#SS)",
    [13] = "general protection (#GP)",
    [14] = "page fault (#PF)",
    [16] = "x87 floating-point error (#MF)",
    [17] = "alignment check (#AC)",
    [18] = "machine check (#MC)",
    [19] = "SIMD floating-point exception (#XM)",
    [20] = "virtualization exception (#VE)",
    [21] = "control protection (#CP)",
    [28] = "hypervisor injection exception (#HV)",
    [29] = "VMM communication exception (#VC)",
    [30] = "security exception (#SX)",
};

/* A push on a full stack faults twice, the second time for want of room for the frame. */
static bool is_overflow(const struct trap_frame *f, struct stack *s)
{
	return (f->vector == VECTOR_PAGE_FAULT || f->vector == VECTOR_DOUBLE_FAULT) &&
	       stack_of_guard(cr2_read(), s);
}

static const char *page_fault_access(uint64_t error)
{
	if (error & PF_FETCH)
		return "execution of";
	return error & PF_WRITE ? "write to" : "read of";
}

static const char *page_fault_reason(uint64_t error)
{
	if (error & PF_RESERVED)
		return "a page table entry is malformed";
	return error & PF_PRESENT ? "the page does not allow it" : "nothing is mapped there";
}

static void describe(char *what, size_t size, const struct trap_frame *f)
{
	const char *name = names[f->vector % TRAP_EXCEPTIONS];
	struct stack s;

	if (is_overflow(f, &s))
		fmt_buf(what, size, "stack overflow: the %s stack of %zu bytes is full", s.name,
		        s.bytes);
	else if (f->vector == VECTOR_PAGE_FAULT)
		fmt_buf(what, size, "%s: %s 0x%llx, %s", name, page_fault_access(f->error),
		        (unsigned long long)cr2_read(), page_fault_reason(f->error));
	else
		fmt_buf(what, size, "%s", name ? name : "reserved exception");
}

struct reg {
	const char name[4];
	uint64_t value;
};

static void print_table(const struct reg *regs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		console_printf("  %-3s %016llx%s", regs[i].name, (unsigned long long)regs[i].value,
		               i % 4 == 3 || i == n - 1 ? "\n" : "");
}

static void print_control_registers(void)
{
	const struct reg regs[] = {
	    {"cr0", cr0_read()}, {"cr2", cr2_read()}, {"cr3", cr3_read()}, {"cr4", cr4_read()}};

	print_table(regs, ARRAY_SIZE(regs));
}

static void print_registers(const struct trap_frame *f)
{
	const struct reg regs[] = {
	    {"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx},
	    {"rsi", f->rsi}, {"rdi", f->rdi}, {"rbp", f->rbp}, {"rsp", f->rsp},
	    {"r8", f->r8},   {"r9", f->r9},   {"r10", f->r10}, {"r11", f->r11},
	    {"r12", f->r12}, {"r13", f->r13}, {"r14", f->r14}, {"r15", f->r15},
	};
	const struct reg last[] = {{"cs", f->cs}, {"ss", f->ss}, {"efl", f->rflags}};

	console_printf("  rip %016llx  vector %llu  error code 0x%llx\n",
	               (unsigned long long)f->rip, (unsigned long long)f->vector,
	               (unsigned long long)f->error);
	print_table(regs, ARRAY_SIZE(regs));
	print_control_registers();
	print_table(last, ARRAY_SIZE(last));
}

/* Only what calls preserve: the others hold nothing of the caller's any more. */
void plat_print_registers(void)
{
	const struct saved_registers s = saved_registers_read();
	const struct reg regs[] = {
	    {"rip", (uint64_t)(uintptr_t)__builtin_return_address(0)},
	    {"rsp", s.rsp},
	    {"rbp", s.rbp},
	    {"rbx", s.rbx},
	    {"r12", s.r12},
	    {"r13", s.r13},
	    {"r14", s.r14},
	    {"r15", s.r15},
	};

	print_table(regs, ARRAY_SIZE(regs));
	print_control_registers();
}

void trap_report(const struct trap_frame *f)
{
	static const char again[] = "panic: an exception in the report of an exception\n";
	char what[WHAT_MAX];

	if (!panic_begin()) {
		(void)plat_console_write(again, sizeof(again) - 1);
		plat_fail();
	}
	describe(what, sizeof(what), f);
	panic_title(what);
	print_registers(f);
	console_flush();
	console_printf("backtrace:\n");
	backtrace_print_address(f->rip);
	backtrace_print_bad_call(f->rip, f->rsp);
	backtrace_print(f->rbp);
	console_flush();
	plat_fail();
}

/*
 * The report of an exception. It starts with "panic:" like any other end of the machine, and says
 * in words what the processor encodes in ESR_EL1 (Arm ARM, D19.2.37).
 */
#include "arch/aarch64/regs.h"
#include "arch/aarch64/stack.h"
#include "arch/aarch64/trap.h"
#include "arch/bare/backtrace.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/panic.h"
#include "kernel/plat.h"

#define CLASS_FETCH_ABORT 0x21 /* of our own exception level */
#define CLASS_PC_ALIGNMENT 0x22
#define CLASS_DATA_ABORT 0x25
#define CLASS_SP_ALIGNMENT 0x26

#define ISS_WRITE (1u << 6)
#define ISS_STATUS 0x3fu
#define STATUS_KIND 0x3cu /* the low two bits are a level of the tables */
#define STATUS_ADDRESS_SIZE 0x00
#define STATUS_TRANSLATION 0x04
#define STATUS_ACCESS_FLAG 0x08
#define STATUS_PERMISSION 0x0c
#define STATUS_EXTERNAL 0x10
#define STATUS_ALIGNMENT 0x21

#define FIRST_SAVED 19 /* what calls preserve begins here */
#define LAST_REGISTER 30
#define WHAT_MAX 160

static const struct {
	uint8_t class;
	const char *name;
} names[] = {
    {0x00, "undefined instruction"},
    {0x01, "trapped wait for interrupt"},
    {0x07, "vector unit not available"},
    {0x0e, "illegal execution state"},
    {0x15, "supervisor call"},
    {0x16, "hypervisor call"},
    {0x17, "secure monitor call"},
    {0x18, "trapped system register"},
    {0x19, "scalable vectors not available"},
    {CLASS_PC_ALIGNMENT, "misaligned program counter"},
    {CLASS_SP_ALIGNMENT, "misaligned stack pointer"},
    {0x2c, "floating-point exception"},
    {0x2f, "system error"},
    {0x31, "breakpoint"},
    {0x33, "software step"},
    {0x35, "watchpoint"},
    {0x3c, "breakpoint instruction"},
};

static unsigned class_of(uint64_t esr)
{
	return esr >> ESR_CLASS_SHIFT & 0x3f;
}

static bool is_abort(const struct trap_frame *f)
{
	return trap_kind_of(f) == TRAP_SYNC &&
	       (class_of(f->esr) == CLASS_DATA_ABORT || class_of(f->esr) == CLASS_FETCH_ABORT);
}

static const char *abort_access(uint64_t esr)
{
	if (class_of(esr) == CLASS_FETCH_ABORT)
		return "execution of";
	return esr & ISS_WRITE ? "write to" : "read of";
}

static const char *abort_reason(uint64_t esr)
{
	const unsigned status = esr & ISS_STATUS;

	if (status == STATUS_ALIGNMENT)
		return "it is not aligned";
	switch (status & STATUS_KIND) {
	case STATUS_TRANSLATION:
		return "nothing is mapped there";
	case STATUS_PERMISSION:
		return "the page does not allow it";
	case STATUS_ADDRESS_SIZE:
	case STATUS_ACCESS_FLAG:
		return "a page table entry is malformed";
	case STATUS_EXTERNAL:
		return "nothing answers there";
	default:
		return "for a reason that is not known";
	}
}

static const char *name_of(const struct trap_frame *f)
{
	if (trap_kind_of(f) == TRAP_FIQ)
		return "fast interrupt, which nobody uses";
	if (trap_kind_of(f) == TRAP_SERROR)
		return "system error";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].class == class_of(f->esr))
			return names[i].name;
	return "unknown exception";
}

static void describe(char *what, size_t size, const struct trap_frame *f)
{
	struct stack s;

	if (is_abort(f) && stack_of_guard(f->far, &s))
		fmt_buf(what, size, "stack overflow: the %s stack of %zu bytes is full", s.name,
		        s.bytes);
	else if (is_abort(f))
		fmt_buf(what, size, "page fault: %s 0x%llx, %s", abort_access(f->esr),
		        (unsigned long long)f->far, abort_reason(f->esr));
	else
		fmt_buf(what, size, "%s", name_of(f));
}

static void print_table(const uint64_t *x, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		console_printf("  x%-2u %016llx%s", first + i, (unsigned long long)x[i],
		               i % 4 == 3 || i == n - 1 ? "\n" : "");
}

static void print_registers(const struct trap_frame *f)
{
	console_printf("  pc  %016llx  sp  %016llx  spsr %llx  esr %llx  far %016llx\n",
	               (unsigned long long)f->pc, (unsigned long long)f->sp,
	               (unsigned long long)f->spsr, (unsigned long long)f->esr,
	               (unsigned long long)f->far);
	print_table(f->x, 0, ARRAY_SIZE(f->x));
}

/* Only what calls preserve: the others hold nothing of the caller's any more. */
void plat_print_registers(void)
{
	uint64_t x[LAST_REGISTER + 1 - FIRST_SAVED], sp;

	__asm__ volatile("stp x19, x20, [%1]\n\t"
	                 "stp x21, x22, [%1, #16]\n\t"
	                 "stp x23, x24, [%1, #32]\n\t"
	                 "stp x25, x26, [%1, #48]\n\t"
	                 "stp x27, x28, [%1, #64]\n\t"
	                 "stp x29, x30, [%1, #80]\n\t"
	                 "mov %0, sp"
	                 : "=&r"(sp)
	                 : "r"(x)
	                 : "memory");
	console_printf("  pc  %016llx  sp  %016llx\n",
	               (unsigned long long)(uintptr_t)__builtin_return_address(0),
	               (unsigned long long)sp);
	print_table(x, FIRST_SAVED, ARRAY_SIZE(x));
}

/* After a call through a bad pointer there is no frame yet, only the return address in x30. */
static void print_bad_call(const struct trap_frame *f)
{
	if (is_abort(f) && class_of(f->esr) == CLASS_FETCH_ABORT)
		backtrace_print_return(f->x[LAST_REGISTER]);
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
	backtrace_print_address(f->pc);
	print_bad_call(f);
	backtrace_print(f->x[TRAP_FP]);
	console_flush();
	plat_fail();
}

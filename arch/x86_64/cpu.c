/*
 * The processor: floating point and vector state and the guards against running or touching user
 * pages by accident switched on, and what vector code may use. All of it at once and first: an
 * emulator translates code again that runs under other control bits than before.
 *
 * An instruction set counts only when CPUID names it and the register state it needs is enabled
 * in XCR0; without the latter the first such instruction would fault (Intel SDM vol. 1, 13.3 and
 * 14.3). The kernel itself is compiled without vector registers, so no interrupt handler has to
 * save them.
 */
#include "arch/bare/random.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/regs.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)

#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_OSXSAVE (1ull << 18)

#define XCR0_X87 (1ull << 0)
#define XCR0_SSE (1ull << 1)
#define XCR0_AVX (1ull << 2)
#define XCR0_AVX512 (7ull << 5) /* mask registers, upper halves, registers 16 to 31 */

#define CPUID1_ECX_RDRAND (1u << 30)
#define RDRAND_TRIES 10 /* Intel SDM vol. 1, 7.3.17.1: more failures mean a broken unit */

#define CPUID1_ECX_SSSE3 (1u << 9)
#define CPUID1_ECX_SSE41 (1u << 19)
#define CPUID1_ECX_SSE42 (1u << 20)
#define CPUID1_ECX_XSAVE (1u << 26)
#define CPUID1_ECX_AVX (1u << 28)
#define CPUID7_EBX_AVX2 (1u << 5)
#define CPUID7_EBX_SMEP (1u << 7)
#define CPUID7_EBX_AVX512F (1u << 16)
#define CPUID7_EBX_AVX512DQ (1u << 17)
#define CPUID7_EBX_SMAP (1u << 20)
#define CPUID7_EBX_AVX512BW (1u << 30)
#define CPUID7_EBX_AVX512VL (1u << 31)
#define CPUID7_ECX_UMIP (1u << 2)

#define NEED_SSE (CPUID1_ECX_SSSE3 | CPUID1_ECX_SSE41 | CPUID1_ECX_SSE42)
#define NEED_AVX512                                                                                \
	(CPUID7_EBX_AVX512F | CPUID7_EBX_AVX512DQ | CPUID7_EBX_AVX512BW | CPUID7_EBX_AVX512VL)

#define MXCSR_DEFAULT 0x1f80u /* all exceptions masked, round to nearest */

static unsigned isa;
static uint64_t xcr0; /* 0: there is none */

static uint64_t xcr0_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static void xcr0_write(uint64_t v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void registers_reset(void)
{
	const uint32_t mxcsr = MXCSR_DEFAULT;

	__asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
}

static void enable(struct cpuid leaf1, struct cpuid leaf7)
{
	uint64_t cr4 = cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (leaf1.ecx & CPUID1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	if (leaf7.ebx & CPUID7_EBX_SMEP)
		cr4 |= CR4_SMEP;
	if (leaf7.ebx & CPUID7_EBX_SMAP)
		cr4 |= CR4_SMAP;
	if (leaf7.ecx & CPUID7_ECX_UMIP)
		cr4 |= CR4_UMIP;
	cr0_write((cr0_read() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
	cr4_write(cr4);
	registers_reset();
}

/* Return: the state components that are on, as in XCR0. */
static uint64_t xstate_enable(uint32_t leaf1_ecx)
{
	uint64_t want = XCR0_X87 | XCR0_SSE;

	if (!(leaf1_ecx & CPUID1_ECX_XSAVE))
		return want;

	const struct cpuid leaf13 = cpuid(13, 0);
	const uint64_t has = (uint64_t)leaf13.edx << 32 | leaf13.eax;

	if (leaf1_ecx & CPUID1_ECX_AVX)
		want |= has & XCR0_AVX;
	/* the three components go together, and only on top of AVX */
	if ((want & XCR0_AVX) && (has & XCR0_AVX512) == XCR0_AVX512)
		want |= XCR0_AVX512;
	xcr0_write(want);
	xcr0 = xcr0_read();
	return xcr0;
}

static unsigned isa_detect(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xstate)
{
	unsigned found = 0;

	if ((leaf1_ecx & NEED_SSE) == NEED_SSE)
		found |= ISA_SSE;
	if ((xstate & XCR0_AVX) && (leaf7_ebx & CPUID7_EBX_AVX2))
		found |= ISA_AVX2;
	if ((found & ISA_AVX2) && (xstate & XCR0_AVX512) == XCR0_AVX512 &&
	    (leaf7_ebx & NEED_AVX512) == NEED_AVX512)
		found |= ISA_AVX512;
	return found;
}

/* The brand string of leaves 0x80000002 to 4, without the blanks that pad it on both sides. */
static const char *cpu_name(char buf[49])
{
	for (uint32_t i = 0; i < 3; i++) {
		const struct cpuid r = cpuid(0x80000002u + i, 0);

		memcpy(buf + 16 * i, &r, 16);
	}
	buf[48] = '\0';
	for (size_t n = strlen(buf); n > 0 && buf[n - 1] == ' '; n--)
		buf[n - 1] = '\0';
	for (; *buf == ' '; buf++)
		;
	return *buf ? buf : "unnamed processor";
}

void cpu_init(void)
{
	const struct cpuid leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0);

	enable(leaf1, leaf7);
	isa = isa_detect(leaf1.ecx, leaf7.ebx, xstate_enable(leaf1.ecx));
}

void cpu_init_other(void)
{
	if (xcr0)
		xcr0_write(xcr0);
	registers_reset();
}

void cpu_report(void)
{
	char name[49];

	log_info("cpu", "%s, vector code:%s%s%s%s", cpu_name(name), isa ? "" : " none",
	         isa & ISA_SSE ? " sse" : "", isa & ISA_AVX2 ? " avx2" : "",
	         isa & ISA_AVX512 ? " avx512" : "");
}

unsigned plat_isa(void)
{
	return isa;
}

uint64_t random_hardware(void)
{
	static bool probed, has_rdrand; /* CPUID costs an exit under virtualisation */
	uint64_t v = 0;

	if (!probed) {
		has_rdrand = cpuid(1, 0).ecx & CPUID1_ECX_RDRAND;
		probed = true;
	}
	for (unsigned i = 0; has_rdrand && i < RDRAND_TRIES && v == 0; i++)
		v = rdrand();
	return v;
}

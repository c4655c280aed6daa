# ringzero as a Linux process: build/hosted/ringzero, and the same with ASan and UBSan,
# build/hosted/asan/ringzero, and with TSan, build/hosted/tsan/ringzero. The static one needs nothing
# of the system that it runs on.

HOSTED_SRCS := $(KERNEL_SRCS) $(PORTABLE_SRCS) $(USER_SRCS) $(VEC_X86_SRCS) $(APP_SRCS) \
	$(wildcard arch/hosted/*.c)
HOSTED_SRCS := $(filter-out kernel/string.c,$(HOSTED_SRCS))
HOSTED_CFLAGS := $(CFLAGS_COMMON) -Iarch/x86_64/include -fno-omit-frame-pointer \
	-DMEM_SHARED_OFFSET=0x40000000
HOSTED_SAN := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOSTED_TSAN := -O1 -g1 -fsanitize=thread -Wno-tsan

define hosted_variant # directory, compiler flags, linker flags
$(1)/obj/%.o: %.c Makefile arch/hosted/build.mk
	@mkdir -p $$(@D)
	$$(CC) $$(HOSTED_CFLAGS) $(2) -c -o $$@ $$<

$(call vec_target_flags,$(1)/obj,HOSTED_CFLAGS)

$(1)/ringzero: $(HOSTED_SRCS:%.c=$(1)/obj/%.o)
	$$(CC) $(2) $(3) -o $$@ $$^

-include $$(shell find $(1)/obj -name '*.d' 2>/dev/null)
endef

$(eval $(call hosted_variant,$(BUILD)/hosted,-fno-pie,-static))
$(eval $(call hosted_variant,$(BUILD)/hosted/asan,$(HOSTED_SAN),-rdynamic))
$(eval $(call hosted_variant,$(BUILD)/hosted/tsan,$(HOSTED_TSAN),-rdynamic))

.PHONY: hosted hosted-asan hosted-tsan
hosted: $(BUILD)/hosted/ringzero ## build/hosted/ringzero: a Linux process, ports at vhost-user sockets
hosted-asan: $(BUILD)/hosted/asan/ringzero $(BUILD)/tools/vhost-switch $(BUILD)/tools/vhost-switch-asan \
	$(BUILD)/hosted/udp_echo
hosted-tsan: $(BUILD)/hosted/tsan/ringzero

# for the guests of tests/hosted/linux.py
$(BUILD)/hosted/udp_echo: tests/hosted/udp_echo.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_COMMON) -MF $@.d -static -o $@ $<

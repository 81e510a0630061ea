// A library for LD_PRELOAD inside the emulated guest: the CPU lacks AES, PMULL,
// SHA, CRC32 and the LSE atomics, as the Raspberry Pi 3 and 4 do and qemu's
// models of their cores do not. The kernel's answer is read from
// /proc/self/auxv. Read next: emulated.cmake.
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

extern "C" unsigned long getauxval(unsigned long type) {
  constexpr unsigned long kMasked = 1ul << 3 | 1ul << 4 | 1ul << 5 | 1ul << 6 |
                                    1ul << 7 | 1ul << 8;  // <asm/hwcap.h>
  Elf64_auxv_t entry;
  unsigned long value = 0;
  const int file = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
  while (file >= 0 && read(file, &entry, sizeof(entry)) == sizeof(entry)) {
    if (entry.a_type == type) value = entry.a_un.a_val;
  }
  if (file >= 0) close(file);
  return type == AT_HWCAP ? value & ~kMasked : value;
}

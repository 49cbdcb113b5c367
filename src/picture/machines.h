/* Compiled for several instruction sets, of which the best is taken when the program is loaded; the bits are the same, as
 * products and sums are not contracted. For loops over pixels that the compiler can vectorise. */
#ifndef CVY_PICTURE_MACHINES_H
#define CVY_PICTURE_MACHINES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#define CVY_FOR_EACH_MACHINE __attribute__((target_clones("avx512f", "avx2", "default"), flatten))
#else
#define CVY_FOR_EACH_MACHINE
#endif

#endif

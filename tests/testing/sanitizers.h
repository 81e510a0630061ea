// Whether a program runs under AddressSanitizer or ThreadSanitizer, also in files
// that are compiled without it (TEMPER_PLAIN_TESTS in tests/CMakeLists.txt).
#ifndef TEMPER_TESTS_TESTING_SANITIZERS_H_
#define TEMPER_TESTS_TESTING_SANITIZERS_H_

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEMPER_TEST_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define TEMPER_TEST_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || \
    defined(TEMPER_BUILT_WITH_ADDRESS_SANITIZER)
#define TEMPER_TEST_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TEMPER_TEST_THREAD_SANITIZER 1
#endif
#if defined(TEMPER_TEST_ADDRESS_SANITIZER) || \
    defined(TEMPER_TEST_THREAD_SANITIZER)
#define TEMPER_TEST_SANITIZER 1
#endif

#endif  // TEMPER_TESTS_TESTING_SANITIZERS_H_

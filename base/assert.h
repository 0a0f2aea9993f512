// Assertions state invariants, stay on in release and end the process: a child of smbd costs one client.
#pragma once

namespace Atoll::inline base {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace Atoll::inline base

#define ATOLL_ASSERT(expression)                                               \
    (__builtin_expect(static_cast<bool>(expression), 1) ? static_cast<void>(0) \
                                                        : ::Atoll::base::assertion_failed(#expression, __FILE__, __LINE__))

// Errors are values. Result<T> holds a T or an Error, Result<T, E> a T or an E, and may not be dropped.
// Error is for base, conf, idl, tdb, ctdb and tools; vfs uses Result<T, int> with errno; fsa, xsrv and smb2 use Result<T, NtStatus>.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/assert.h"

namespace Atoll::inline base {

enum class Code {
    invalid,      // malformed input or argument
    not_found,    // no such record, section, file
    exists,       // it is there already
    corrupt,      // stored data contradicts its format
    io,           // a system call failed
    no_space,     // disk full, or a named limit reached
    denied,       // not allowed
    busy,         // held by somebody else; may be tried again
    dead,         // the peer or holder has ended
    unsupported,  // a version or feature that this program does not know
};

struct Error {
    Code code = Code::invalid;
    std::string where;  // what it is about: a file and line, a database, a peer
    std::string text;   // what is wrong, and what to do

    // "where: text"
    [[nodiscard]] std::string message() const { return where.empty() ? text : where + ": " + text; }
};

template <class T>
using Failure = tl::unexpected<T>;

// return fail(Code::corrupt, path, "bad magic");
inline Failure<Error> fail(Code code, std::string where, std::string text) {
    return Failure<Error>(Error{code, std::move(where), std::move(text)});
}
// The error of a system call: errno's text is added.
Failure<Error> fail_errno(int error_number, std::string where, std::string text);

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
    using value_type = T;
    using error_type = E;

    Result(T value) : inner_(std::move(value)) {}
    Result(E error) requires(!std::is_same_v<T, E>) : inner_(tl::unexpected<E>(std::move(error))) {}
    Result(tl::unexpected<E> failure) : inner_(std::move(failure)) {}

    [[nodiscard]] bool ok() const { return inner_.has_value(); }
    explicit operator bool() const { return inner_.has_value(); }

    T& value() & {
        ATOLL_ASSERT(ok());
        return *inner_;
    }
    const T& value() const& {
        ATOLL_ASSERT(ok());
        return *inner_;
    }
    T&& value() && {
        ATOLL_ASSERT(ok());
        return std::move(*inner_);
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    E& error() & {
        ATOLL_ASSERT(!ok());
        return inner_.error();
    }
    const E& error() const& {
        ATOLL_ASSERT(!ok());
        return inner_.error();
    }
    // For handing the error on: if (!r) return r.failure();
    [[nodiscard]] tl::unexpected<E> failure() const { return tl::unexpected<E>(error()); }

 private:
    tl::expected<T, E> inner_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
    using value_type = void;
    using error_type = E;

    Result() = default;
    Result(E error) : inner_(tl::unexpected<E>(std::move(error))) {}
    Result(tl::unexpected<E> failure) : inner_(std::move(failure)) {}

    [[nodiscard]] bool ok() const { return inner_.has_value(); }
    explicit operator bool() const { return inner_.has_value(); }

    E& error() & {
        ATOLL_ASSERT(!ok());
        return inner_.error();
    }
    const E& error() const& {
        ATOLL_ASSERT(!ok());
        return inner_.error();
    }
    [[nodiscard]] tl::unexpected<E> failure() const { return tl::unexpected<E>(error()); }

 private:
    tl::expected<void, E> inner_;
};

}  // namespace Atoll::inline base

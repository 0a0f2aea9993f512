#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace Atoll::inline base {
namespace {

Code code_of(int error_number) {
    switch (error_number) {
        case ENOENT: return Code::not_found;
        case EEXIST: return Code::exists;
        case EACCES:
        case EPERM: return Code::denied;
        case ENOSPC:
        case EFBIG:
        case EDQUOT: return Code::no_space;
        case EAGAIN:
        case EBUSY: return Code::busy;
        case ESRCH:
        case ECONNREFUSED:
        case EPIPE: return Code::dead;
        default: return Code::io;
    }
}

}  // namespace

Failure<Error> fail_errno(int error_number, std::string where, std::string text) {
    if (!text.empty()) text += ": ";
    text += ::strerrordesc_np(error_number) ? ::strerrordesc_np(error_number) : "unknown error";
    return fail(code_of(error_number), std::move(where), std::move(text));
}

}  // namespace Atoll::inline base

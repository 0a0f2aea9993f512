#include "idl/interface_type.h"

#include <algorithm>

namespace Atoll::idl {

const FunctionType* InterfaceType::find(uint16_t opnum) const {
    const auto found = std::lower_bound(functions.begin(), functions.end(), opnum,
                                        [](const FunctionType& function, uint16_t wanted) { return function.opnum < wanted; });
    return found != functions.end() && found->opnum == opnum ? &*found : nullptr;
}

namespace {

constexpr size_t fuzz_header = 4;

bool same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace

void fuzz_interface(const InterfaceType& type, Bytes input) {
    if (input.size() < fuzz_header) return;
    const FunctionType& function = type.functions[input[0] % type.functions.size()];
    const StubFormat format = {(input[1] & 1) != 0 ? Syntax::ndr64 : Syntax::ndr, (input[1] & 2) != 0};
    const Bytes stubs = input.subspan(fuzz_header);
    const size_t split = std::min<size_t>(load_le<uint16_t>(input.data() + 2), stubs.size());
    const Bytes request = stubs.first(split);
    const Bytes response = stubs.subspan(split);
    const StubFormat ours = {format.syntax, false};

    Buffer once, twice;
    const bool decodes = function.again_request(request, format, format.syntax, once).ok();
    ATOLL_ASSERT(decodes == function.print_request(request, format, Printer::Form::text).ok());
    if (!decodes) return;
    ATOLL_ASSERT(function.again_request(once, ours, format.syntax, twice).ok() && same(once, twice));
    // A response is written for its request as it was decoded, which is `once`.
    Buffer answer, answer_again;
    if (!function.again_response(request, response, format, format.syntax, answer)) return;
    ATOLL_ASSERT(function.print_response(request, response, format, Printer::Form::json).ok());
    ATOLL_ASSERT(function.again_response(once, answer, ours, format.syntax, answer_again).ok() && same(answer, answer_again));
}

void make_fuzz_input(const InterfaceType& type, size_t function, Syntax syntax, uint64_t seed, Buffer& out) {
    ATOLL_ASSERT(function < type.functions.size() && function < 256);
    Arbitrary random(seed);
    Buffer request, response;
    type.functions[function].make(random, syntax, request, response);
    ATOLL_ASSERT(request.size() <= UINT16_MAX);
    const std::array<uint8_t, fuzz_header> header = {static_cast<uint8_t>(function), static_cast<uint8_t>(syntax == Syntax::ndr64 ? 1 : 0),
                                                     static_cast<uint8_t>(request.size()), static_cast<uint8_t>(request.size() >> 8)};
    out.append(header);
    out.append(request);
    out.append(response);
}

}  // namespace Atoll::idl

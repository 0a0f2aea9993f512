// What generated code tells about an RPC interface and each of its functions, so that tools, fuzzers and tests need no list of their own.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "idl/arbitrary.h"
#include "idl/ndr.h"
#include "idl/printer.h"

namespace Atoll::idl {

// A response's layout may depend on its request, so that whoever works on a response has the request's stub too, in the same format.
struct FunctionType {
    std::string_view name;
    uint16_t opnum;
    // Decodes and prints. Errors as decode's.
    Result<std::string> (*print_request)(Bytes request, StubFormat format, Printer::Form form);
    Result<std::string> (*print_response)(Bytes request, Bytes response, StubFormat format, Printer::Form form);
    // Decodes and encodes again, appending to `out`.
    Result<void> (*again_request)(Bytes request, StubFormat format, Syntax syntax, Buffer& out);
    Result<void> (*again_response)(Bytes request, Bytes response, StubFormat format, Syntax syntax, Buffer& out);
    // For tests: appends the stubs of an arbitrary request and of an arbitrary response to it.
    void (*make)(Arbitrary& random, Syntax syntax, Buffer& request, Buffer& response);
};

struct InterfaceType {
    std::string_view name;
    Guid uuid;
    uint16_t version_major;
    uint16_t version_minor;
    std::span<const std::string_view> endpoints;  // [endpoint("ncacn_np:[\\pipe\\srvsvc]")]
    std::span<const FunctionType> functions;      // by opnum, ascending; with gaps

    [[nodiscard]] const FunctionType* find(uint16_t opnum) const;  // nullptr: none
};

// One input of a fuzzer: two bytes choose the function, the syntax and the byte order, two more where the request ends; the rest is a
// request and a response. Asserts that whatever decodes encodes, and that this decodes to what encodes to the same bytes.
void fuzz_interface(const InterfaceType& type, Bytes input);
// An input for it, of an arbitrary call: what seeds a corpus.
void make_fuzz_input(const InterfaceType& type, size_t function, Syntax syntax, uint64_t seed, Buffer& out);

template <class Value>
std::string print_in_form(const Value& value, Printer::Form form) {
    return form == Printer::Form::json ? print_json(value) : print(value);
}

// F: the struct that idlc makes of a function.
template <class F>
FunctionType function_type() {
    FunctionType type{};
    type.name = F::name;
    type.opnum = F::opnum;
    type.print_request = [](Bytes request, StubFormat format, Printer::Form form) -> Result<std::string> {
        typename F::In in;
        if (auto r = decode(request, in, format); !r) return r.failure();
        return print_in_form(in, form);
    };
    type.print_response = [](Bytes request, Bytes response, StubFormat format, Printer::Form form) -> Result<std::string> {
        typename F::In in;
        typename F::Out out;
        if (auto r = decode(request, in, format); !r) return r.failure();
        if (auto r = decode(response, out, in, format); !r) return r.failure();
        return print_in_form(out, form);
    };
    type.again_request = [](Bytes request, StubFormat format, Syntax syntax, Buffer& again) -> Result<void> {
        typename F::In in;
        if (auto r = decode(request, in, format); !r) return r;
        encode(in, again, syntax);
        return {};
    };
    type.again_response = [](Bytes request, Bytes response, StubFormat format, Syntax syntax, Buffer& again) -> Result<void> {
        typename F::In in;
        typename F::Out out;
        if (auto r = decode(request, in, format); !r) return r;
        if (auto r = decode(response, out, in, format); !r) return r;
        encode(out, in, again, syntax);
        return {};
    };
    type.make = [](Arbitrary& random, Syntax syntax, Buffer& request, Buffer& response) {
        typename F::In in;
        typename F::Out out;
        arbitrary(random, in);
        arbitrary(random, out, in);
        encode(in, request, syntax);
        encode(out, in, response, syntax);
    };
    return type;
}

}  // namespace Atoll::idl

// From an interface's functions, as idlc makes them, to the methods of what serves them.
//
//   constexpr auto table = operation_table<Wkssvc, wkssvc::NetrWkstaGetInfo, ...>();
//
// serves each function F by `auto Service::handle(const F::In&, F::Out&)`, whose result becomes out.result; [out] parameters that the
// method leaves alone are empty.
#pragma once

#include <algorithm>
#include <array>

#include "idl/ndr.h"
#include "libcli/rpc/server.h"

namespace Atoll::services {

template <class Service>
struct Operation {
    uint16_t opnum = 0;
    rpc::Fault (*call)(Service& service, const rpc::Call& call, Buffer& out) = nullptr;
};

inline idl::Syntax idl_syntax(rpc::TransferSyntax syntax) {
    return syntax == rpc::TransferSyntax::ndr64 ? idl::Syntax::ndr64 : idl::Syntax::ndr;
}

template <class Service, class F>
rpc::Fault run_operation(Service& service, const rpc::Call& call, Buffer& out) {
    const idl::Syntax syntax = idl_syntax(call.syntax);
    typename F::In in;
    if (!decode(call.stub, in, idl::StubFormat{syntax, call.big_endian}).ok()) return rpc::Fault::bad_stub_data;
    typename F::Out answer;
    answer.result = service.handle(in, answer);
    encode(answer, in, out, syntax);
    return rpc::Fault::none;
}

// By opnum, ascending.
template <class Service, class... F>
constexpr std::array<Operation<Service>, sizeof...(F)> operation_table() {
    return {Operation<Service>{F::opnum, run_operation<Service, F>}...};
}

template <class Service>
rpc::Fault run_operation(std::span<const Operation<Service>> table, Service& service, const rpc::Call& call, Buffer& out) {
    const auto found = std::lower_bound(table.begin(), table.end(), call.opnum,
                                        [](const Operation<Service>& operation, uint16_t opnum) { return operation.opnum < opnum; });
    if (found == table.end() || found->opnum != call.opnum) return rpc::Fault::op_range_error;
    return found->call(service, call, out);
}

}  // namespace Atoll::services

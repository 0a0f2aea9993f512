// An interface for tests: opnum 0 gives the stub back, opnum 1 gives as many bytes as its first four say.
#pragma once

#include "libcli/rpc/server.h"

namespace Atoll::rpc {

inline SyntaxId echo_syntax() {
    SyntaxId id;
    id.uuid = *parse_guid("11111111-2222-3333-4444-555555555555");
    id.major = 3;
    id.minor = 1;
    return id;
}

class EchoInterface final : public Interface {
 public:
    explicit EchoInterface(bool ndr64) : ndr64_(ndr64) {}
    [[nodiscard]] SyntaxId id() const override { return echo_syntax(); }
    [[nodiscard]] bool has_ndr64() const override { return ndr64_; }
    Fault call(const Call& call, Buffer& out) override {
        calls++;
        last = {call.opnum, call.object, call.syntax, call.big_endian, {}};
        if (call.opnum == 0) {
            out.append(call.stub);
            return Fault::none;
        }
        if (call.opnum != 1) return Fault::op_range_error;
        if (call.stub.size() < 4) return Fault::bad_stub_data;
        out.append_zeros(load_le<uint32_t>(call.stub.data()) & 0x1FFFFFF);
        return Fault::none;
    }

    int calls = 0;
    Call last;  // but its stub

 private:
    bool ndr64_;
};

}  // namespace Atoll::rpc

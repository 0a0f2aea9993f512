// The server's side of an RPC connection: bytes in, PDUs out, no I/O, no clock, no thread (C706 11.1.4 and 12.6, MS-RPCE 3.3.3).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/limits.h"
#include "libcli/rpc/pdu.h"

namespace Atoll::rpc {

enum class TransferSyntax : uint8_t { ndr, ndr64 };

// One call, complete.
struct Call {
    uint16_t opnum = 0;
    std::optional<Guid> object;
    TransferSyntax syntax = TransferSyntax::ndr;
    bool big_endian = false;  // the byte order of the stub; answers are little-endian
    Bytes stub;               // the [in] parameters; padding may follow them (MS-RPCE 2.2.2.13)
};

// What serves an interface. Calls come one at a time.
class Interface {
 public:
    virtual ~Interface() = default;
    [[nodiscard]] virtual SyntaxId id() const = 0;
    [[nodiscard]] virtual bool has_ndr64() const = 0;
    // Appends the [out] parameters and the return value to `out`. What it appends is dropped if it returns a fault; an opnum that the
    // interface has not is Fault::op_range_error.
    virtual Fault call(const Call& call, Buffer& out) = 0;
};

// Association groups (C706 9.3.3.2): connections of one client that share context handles. Of the connections of one process.
class Associations {
 public:
    // Adds a connection to `wanted`, or to a new group if it is 0. 0: there is no such group.
    uint32_t join(uint32_t wanted);
    void leave(uint32_t group);

 private:
    struct Group {
        uint32_t id = 0;
        uint32_t connections = 0;
    };
    std::vector<Group> groups_;
    uint32_t last_ = 0x53F0;  // any value but 0 will do
};

struct ServerOptions {
    std::string secondary_address;  // "\\PIPE\\srvsvc" (MS-RPCE 3.3.1.5.5)
    uint16_t max_fragment = limits::rpc_max_fragment;
};

class ServerConnection {
 public:
    // `send` gets each PDU as a whole, in order. The interfaces and `associations` must outlive this.
    ServerConnection(std::vector<Interface*> interfaces, Associations& associations, ServerOptions options,
                     std::function<void(Bytes pdu)> send);
    ~ServerConnection();
    ServerConnection(const ServerConnection&) = delete;
    ServerConnection& operator=(const ServerConnection&) = delete;

    // Bytes of the stream, in pieces of any size. Calls interfaces and `send`.
    void receive(Bytes bytes);
    // The peer broke the protocol, and has been told if that was possible: whoever has the transport closes it.
    [[nodiscard]] bool ended() const { return ended_; }
    // Bytes of an incomplete PDU or call that are kept.
    [[nodiscard]] size_t held_bytes() const { return received_.size() + stub_.size(); }

 private:
    struct Context {
        uint16_t id = 0;
        Interface* interface = nullptr;
        TransferSyntax syntax = TransferSyntax::ndr;
    };

    void take(const Pdu& pdu);
    void take_bind(const Pdu& pdu);
    void take_alter(const Pdu& pdu);
    void take_request(const Pdu& pdu);
    bool begin_call(const Pdu& pdu, const RequestPdu& request);
    void finish_call();
    void answer_contexts(const BindPdu& bind, std::vector<ContextAnswer>& answers);
    ContextAnswer answer_context(const ContextElement& element, bool preferred_exists);
    [[nodiscard]] Interface* find_interface(const SyntaxId& id) const;
    [[nodiscard]] const Context* find_context(uint16_t id) const;
    void send_response(Bytes stub);
    void send_fault(uint32_t call_id, uint16_t context_id, Fault fault, bool executed);
    void refuse_bind(const Pdu& pdu, BindRefusal refusal);
    void break_off(const Pdu& pdu);

    std::vector<Interface*> interfaces_;
    Associations& associations_;
    ServerOptions options_;
    std::function<void(Bytes)> send_;
    std::vector<Context> contexts_;
    Buffer received_;
    Buffer outgoing_;
    Buffer answer_;
    uint32_t group_ = 0;  // 0: not bound
    uint16_t max_transmit_ = limits::rpc_max_fragment;
    uint16_t max_receive_ = limits::rpc_max_fragment;
    bool multiplexing_ = false;
    bool ended_ = false;
    // The call whose fragments come in.
    bool in_call_ = false;
    uint32_t call_id_ = 0;  // of it, or of the last
    uint16_t call_context_ = 0;
    uint8_t cancels_ = 0;
    bool too_large_ = false;  // beyond limits::rpc_max_request: what comes is dropped, and a fault answers the last fragment
    Call call_;
    Buffer stub_;
};

}  // namespace Atoll::rpc

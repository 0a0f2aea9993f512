// A tree connect of a client, and the requests that name no open file (MS-SMB2 3.2.4.2.4).
#pragma once

#include <string>
#include <string_view>

#include "libcli/client/session.h"
#include "libcli/smb/create.h"
#include "libcli/smb/tree.h"

namespace Atoll::client {

class Tree {
 public:
    explicit Tree(Session& session) : session_(session) {}

    // `path` is \\server\share in UTF-8. OBJECT_NAME_INVALID if it is not valid UTF-8.
    NtStatus connect(std::string_view path);
    NtStatus disconnect();

    [[nodiscard]] uint32_t id() const { return id_; }
    [[nodiscard]] const smb::TreeConnectResponse& response() const { return response_; }
    Session& session() { return session_; }
    Connection& connection() { return session_.connection(); }

    // Sends one request on this tree: the form that everything else here uses. Seals if the share wants it.
    template <class Body>
    ExchangePtr start(smb::Command command, const Body& body, RequestOptions options = {}) {
        Compound compound(connection());
        ExchangePtr exchange = add(compound, command, body, options);
        compound.send();
        return exchange;
    }
    // Adds it to a compound instead.
    template <class Body>
    ExchangePtr add(Compound& compound, smb::Command command, const Body& body, RequestOptions options = {}) {
        if (!options.seal && (response_.share_flags & smb::share_flags::encrypt_data) != 0) options.seal = true;
        return compound.add(&session_, id_, command, body, options);
    }
    // Sends it and waits; the response as Response, or the status.
    template <class Response, class Body>
    Result<Response, NtStatus> call(smb::Command command, const Body& body, RequestOptions options = {}, ExchangePtr* exchange = nullptr) {
        ExchangePtr e = start(command, body, options);
        const NtStatus status = connection().wait(e);
        if (exchange != nullptr) *exchange = e;
        if (is_error(status)) return status;
        kept_ = e;  // the views in the response live until the next call
        return Response::decode(e->message());
    }

 private:
    Session& session_;
    uint32_t id_ = 0;
    smb::TreeConnectResponse response_;
    ExchangePtr kept_;
};

}  // namespace Atoll::client

// atoll.dialects: the same small piece of work in every dialect, plain, signed by each algorithm and sealed by each cipher.
#include "torture/test.h"

namespace Atoll::torture {
namespace {

struct Way {
    smb::Dialect dialect;
    bool sign = false;
    bool seal = false;
    smb::Cipher cipher = smb::Cipher::aes128_gcm;
    smb::SigningAlgorithm signing = smb::SigningAlgorithm::aes_cmac;
};

// Log on, write, read, list, rename, delete.
void work(Test& t, const Way& way) {
    if (way.dialect > t.target.max_dialect) return t.skip("the dialect is above -m");
    auto options = t.only(way.dialect);
    options.ciphers = {way.cipher};
    options.signing = {way.signing};
    client::LogOnOptions log_on;
    log_on.sign = way.sign;
    log_on.seal = way.seal;
    REQUIRE(t, c, t.client(options, log_on));
    const auto& n = c->connection->negotiated();
    CHECK(t, n.dialect == way.dialect, "dialect {}", smb::to_string(n.dialect));
    const bool required = (c->session->flags() & smb::session_flags::encrypt_data) != 0;
    CHECK(t, c->session->should_seal() == (way.seal || required), "sealing is {}", c->session->should_seal());
    const bool chosen = way.dialect == smb::Dialect::smb3_11 && way.sign;
    CHECK(t, !chosen || n.signing == way.signing, "another signing algorithm was chosen");

    const auto data = pattern_bytes(300000);
    REQUIRE(t, f, t.file(*c, "file"));
    for (size_t at = 0; at < data.size();) {
        REQUIRE(t, written, f->write(at, Bytes(data).subspan(at)));
        CHECK(t, *written > 0, "nothing was written");
        at += *written;
    }
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, client::get(*c->tree, t.path(*c, "file"), back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), data), "the data differ");
    REQUIRE(t, directory, client::File::open(*c->tree, t.path(*c, ""), client::OpenOptions::directory(false)));
    REQUIRE(t, items, directory->list());
    CHECK(t, items->size() == 3, "{} entries", items->size());
    CHECK_STATUS(t, directory->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::remove(*c->tree, t.path(*c, "file")), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->tree->disconnect(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->session->log_off(), NtStatus::SUCCESS);
}

using D = smb::Dialect;
using C = smb::Cipher;
using S = smb::SigningAlgorithm;

template <D dialect>
void plain(Test& t) {
    work(t, {dialect});
}
template <D dialect>
void with_signing(Test& t) {
    work(t, {.dialect = dialect, .sign = true});
}
template <S algorithm>
void signed_311(Test& t) {
    work(t, {.dialect = D::smb3_11, .sign = true, .signing = algorithm});
}
template <D dialect>
void sealed_30(Test& t) {
    work(t, {.dialect = dialect, .seal = true, .cipher = C::aes128_ccm});
}
template <C cipher>
void sealed_311(Test& t) {
    work(t, {.dialect = D::smb3_11, .seal = true, .cipher = cipher});
}

// MS-SMB2 3.3.5.2.9: with encryption required of the session, a request in clear is refused.
void plain_on_sealed_session(Test& t) {
    if (t.target.max_dialect < D::smb3_00) return t.skip("needs SMB 3.0");
    client::LogOnOptions l;
    l.seal = true;
    REQUIRE(t, c, t.client(l));
    if ((c->session->flags() & smb::session_flags::encrypt_data) == 0) return t.skip("the server does not require encryption");
    client::RequestOptions o;
    o.seal = false;
    o.sign = true;
    auto exchange = c->tree->start(smb::Command::create, client::CreateCall("", {}), o);
    (void)c->connection->wait(exchange);
    CHECK(t, exchange->header().status == NtStatus::ACCESS_DENIED || !c->connection->alive(), "{}", to_string(exchange->header().status));
}

// MS-SMB2 3.3.5.2.1.1: a frame that does not open ends the connection.
void sealed_frame_forged(Test& t) {
    if (t.target.max_dialect < D::smb3_00) return t.skip("needs SMB 3.0");
    client::LogOnOptions l;
    l.seal = true;
    REQUIRE(t, c, t.client(l));
    c->connection->before_send = [](Buffer& frame) { frame[frame.size() - 1] ^= 1; };
    CHECK_STATUS(t, c->status_of(smb::Command::create, client::CreateCall("", {})), NtStatus::CONNECTION_DISCONNECTED);
}

constexpr TestCase tests[] = {
    {"smb2_02", "MS-SMB2 1.7", plain<D::smb2_02>},
    {"smb2_10", "MS-SMB2 1.7", plain<D::smb2_10>},
    {"smb3_00", "MS-SMB2 1.7", plain<D::smb3_00>},
    {"smb3_02", "MS-SMB2 1.7", plain<D::smb3_02>},
    {"smb3_11", "MS-SMB2 1.7", plain<D::smb3_11>},
    {"smb2_02_signed", "MS-SMB2 3.1.4.1", with_signing<D::smb2_02>},
    {"smb2_10_signed", "MS-SMB2 3.1.4.1", with_signing<D::smb2_10>},
    {"smb3_00_signed", "MS-SMB2 3.1.4.1", with_signing<D::smb3_00>},
    {"smb3_02_signed", "MS-SMB2 3.1.4.1", with_signing<D::smb3_02>},
    {"smb3_11_aes_cmac", "MS-SMB2 3.1.4.1", signed_311<S::aes_cmac>},
    {"smb3_11_aes_gmac", "MS-SMB2 3.1.4.1", signed_311<S::aes_gmac>},
    {"smb3_11_hmac_sha256", "MS-SMB2 3.1.4.1", signed_311<S::hmac_sha256>},
    {"smb3_00_sealed", "MS-SMB2 3.1.4.3", sealed_30<D::smb3_00>},
    {"smb3_02_sealed", "MS-SMB2 3.1.4.3", sealed_30<D::smb3_02>},
    {"smb3_11_aes128_ccm", "MS-SMB2 3.1.4.3", sealed_311<C::aes128_ccm>},
    {"smb3_11_aes128_gcm", "MS-SMB2 3.1.4.3", sealed_311<C::aes128_gcm>},
    {"smb3_11_aes256_ccm", "MS-SMB2 3.1.4.3", sealed_311<C::aes256_ccm>},
    {"smb3_11_aes256_gcm", "MS-SMB2 3.1.4.3", sealed_311<C::aes256_gcm>},
    {"plain_on_sealed_session", "MS-SMB2 3.3.5.2.9", plain_on_sealed_session},
    {"sealed_frame_forged", "MS-SMB2 3.3.5.2.1.1", sealed_frame_forged},
};

}  // namespace

const Suite dialects_suite{"atoll.dialects", tests};

}  // namespace Atoll::torture

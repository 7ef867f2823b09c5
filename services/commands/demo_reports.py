"""The reports that the demo posts, and where each must go. Written for it: no person, number or address in them belongs to anyone."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DemoReport:
    """`goes_to` is a unit, `triage` or `transferred`; `desk` the unit's desk, None where it has none."""

    about: str
    body: dict[str, Any]
    goes_to: str
    desk: str | None = None
    secrets: tuple[str, ...] = field(default=())
    """What stands in it and may never be seen in Kafka."""


def _body(title: str, text: str, province: str | None = None, regency: str | None = None, **more: Any) -> dict[str, Any]:
    return {"title": title, "text": text, "channel": "WhatsApp", "location": {"province": province, "regency": regency}, **more}


PASSPORT = DemoReport(
    about="a passport",
    body=_body(
        "Paspor belum jadi",
        "Sudah tiga minggu paspor saya belum jadi di Kantor Imigrasi Kupang, padahal katanya empat hari kerja. "
        "NIK saya 5371010101900001, mohon dihubungi di 0812-3456-7890.",
        "Nusa Tenggara Timur",
        "Kota Kupang",
        reporter={"name": "Pelapor Contoh", "phone": "081234567890"},
    ),
    goes_to="imigrasi",
    desk="kanim:kupang",
    secrets=("5371010101900001", "0812-3456-7890", "081234567890", "Pelapor Contoh"),
)
PRISON_VISIT = DemoReport(
    about="a prison visit",
    body=_body(
        "Kunjungan ke lapas ditolak",
        "Jadwal kunjungan di Lapas Abepura selalu penuh, dan titipan makanan untuk adik saya ditolak tanpa alasan.",
        "Papua",
        "Kota Jayapura",
    ),
    goes_to="pemasyarakatan",
    desk="lapas:abepura",
)
REPORTS: tuple[DemoReport, ...] = (
    PASSPORT,
    PRISON_VISIT,
    DemoReport(
        about="a company's name",
        body=_body(
            "Pesan nama PT gagal",
            "Pesan nama PT di AHU Online gagal terus, padahal PNBP sudah saya bayar dua hari lalu.",
            "Jawa Timur",
            "Kota Surabaya",
        ),
        goes_to="ahu",
        desk="kanwil:jawa-timur",
    ),
    DemoReport(
        about="a trade mark",
        body=_body(
            "Merek belum diperiksa",
            "Pendaftaran merek kopi saya sudah dua tahun belum ada hasil pemeriksaan substantif dari DJKI.",
            "Bali",
            "Kabupaten Bangli",
        ),
        goes_to="ki",
        desk="kanwil:bali",
    ),
    DemoReport(
        about="a bribe",
        body=_body(
            "Petugas minta uang",
            "Petugas rutan minta uang 500 ribu supaya suami saya dapat kamar. Kalau tidak dibayar, kunjungan dipersulit.",
            "Jawa Barat",
            "Kota Bandung",
        ),
        goes_to="itjen",
    ),
    DemoReport(
        about="another agency's",
        body=_body(
            "KTP elektronik belum dicetak",
            "Rekam e-KTP di Dukcapil sudah setahun lalu, blangko KTP katanya habis terus dan kartu keluarga saya juga belum terbit.",
            "Jawa Tengah",
            "Kota Semarang",
        ),
        goes_to="transferred",
    ),
    DemoReport(about="a vague one", body=_body("Tolong", "Tolong dibantu, terima kasih."), goes_to="triage"),
)

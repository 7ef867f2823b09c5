"""The reports that the benchmarks post: about 40 words each, three in ten with identifiers to mask."""

import json
import random
from typing import Any

_TEXTS = (
    "Saya mengurus paspor di kantor imigrasi sejak tiga minggu lalu, foto dan wawancara sudah selesai, tetapi sampai hari ini paspor saya"
    " belum bisa diambil dan petugas loket hanya meminta saya menunggu tanpa memberi tahu kapan selesai.",
    "Kuota antrean M-Paspor di kota kami selalu habis dalam hitungan menit setiap hari Senin pagi. Mohon ditambah kuotanya karena saya"
    " harus berangkat bekerja bulan depan dan belum mendapat jadwal sama sekali.",
    "Keluarga saya ditahan di rutan dan jadwal kunjungan berubah tanpa pemberitahuan. Kami datang dari luar kota sejak subuh dengan anak"
    " kecil, lalu ditolak di pintu dengan alasan kuota kunjungan penuh.",
    "Permohonan pendaftaran merek dagang saya sudah lewat enam bulan sejak pengumuman tetapi statusnya tidak berubah. Mohon penjelasan"
    " kapan pemeriksaan substantif selesai dan dokumen apa yang masih kurang.",
    "Pengesahan badan hukum perseroan terbatas lewat AHU Online gagal terus sejak kemarin, padahal pembayaran PNBP sudah berhasil."
    " Notaris kami sudah mencoba berkali-kali dan tidak ada jawaban dari layanan bantuan.",
    "Warga desa kami membutuhkan bantuan hukum gratis untuk perkara tanah warisan, tetapi organisasi bantuan hukum yang kami datangi"
    " meminta biaya di muka. Ke mana kami dapat mengadukan hal ini?",
    "Remisi suami saya tidak diusulkan walaupun berkelakuan baik dan sudah menjalani lebih dari separuh masa pidana. Petugas pembinaan"
    " mengatakan berkasnya lengkap namun tidak pernah dikirim.",
)
_IDENTIFIERS = (
    " Nama saya Budi Santoso, NIK 5371012304870002, HP 0812-3456-7890.",
    " Hubungi saya di 081234567890 atau budi.contoh@example.com.",
    " NPWP 09.254.294.3-407.000, paspor A1234567.",
)


def body(number: int) -> dict[str, Any]:
    choice = random.Random(number)
    text = _TEXTS[number % len(_TEXTS)]
    if number % 10 < 3:
        text += choice.choice(_IDENTIFIERS)
    return {
        "source_ref": str(10_000_000 + number),
        "title": text.split(",", 1)[0].split(".", 1)[0][:80],
        "text": text,
        "location": {"province": "Nusa Tenggara Timur", "regency": "Kota Kupang"},
    }


def post(number: int, headers: dict[str, str]) -> bytes:
    """A whole HTTP/1.1 request."""
    content = json.dumps(body(number)).encode()
    lines = [
        "POST /v1/complaints HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content

"""The first judge on sentences as people write them. They were written together with the rules: the floor is a guard, not an accuracy."""

from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.router.judgement import Judge, Judgement
from services.router.rules import load_rules
from shared.events import ComplaintReceived
from shared.units import UNIT_SLUGS, load_directory

JUDGE = Judge(load_rules(), load_directory())
AT = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)

JUDGED: list[tuple[str, str]] = [
    ("imigrasi", "Sudah 3 minggu paspor saya belum jadi di Kanim Kelas I Kupang padahal katanya 4 hari kerja."),
    ("imigrasi", "Aplikasi M-Paspor error terus, kuota antrean selalu habis tiap jam 8 pagi."),
    ("imigrasi", "bayar VoA di bandara ngurah rai antri 2 jam lebih, petugas cuma 3 org"),
    ("imigrasi", "My KITAS extension has been pending for six weeks at the immigration office in Denpasar and nobody answers emails."),
    ("imigrasi", "Ada WNA asal Nigeria tinggal di kontrakan sebelah tanpa izin tinggal, sudah overstay setahun."),
    ("imigrasi", "Calo berkeliaran di depan kantor imigrasi, nawarin antrian 1,5 juta."),
    ("imigrasi", "Suami saya WN Australia dideportasi tanpa penjelasan dan ditahan di rudenim."),
    ("imigrasi", "ULP Mataram tutup padahal jadwal foto paspor sy hr ini"),
    ("pemasyarakatan", "Jadwal kunjungan di Lapas Cipinang selalu penuh, titipan makanan ditolak."),
    ("pemasyarakatan", "Remisi suami saya belum keluar padahal sudah memenuhi syarat"),
    ("pemasyarakatan", "Rutan Kupang over kapasitas, satu kamar diisi 40 orang, tidur bergantian"),
    ("pemasyarakatan", "Kapan SK pembebasan bersyarat (PB) adik saya turun? Bapas sudah litmas sejak Maret."),
    ("pemasyarakatan", "tolong pindahkan anak sy dr LPKA ke yg lebih dekat rumah, kami ga mampu ongkos"),
    ("pemasyarakatan", "Napi masih bisa pakai HP dan menipu dari dalam penjara"),
    ("pemasyarakatan", "Mobil saya yang disita dititipkan di Rupbasan rusak"),
    (
        "pemasyarakatan",
        "Kakak saya yang ditahan polisi sudah dilimpahkan ke rutan, tapi pengadilan belum memberi jadwal dan saya tidak boleh besuk",
    ),
    ("ahu", "Pesan nama PT di AHU Online gagal terus meski sudah bayar PNBP"),
    ("ahu", "Apostille ijazah saya belum terbit sudah 2 minggu"),
    ("ahu", "Roya fidusia tidak bisa, leasing bilang sudah dihapus tapi di sistem masih terdaftar"),
    ("ahu", "Notaris di Bekasi menahan sertifikat saya dan tidak mau menyerahkan akta"),
    ("ahu", "Permohonan kewarganegaraan anak berkewarganegaraan ganda saya belum diproses sejak tahun lalu"),
    ("ahu", "Surat keterangan waris dari Balai Harta Peninggalan Medan lama sekali"),
    ("ahu", "Perubahan kepengurusan partai politik kami di sistem e-parpol ditolak"),
    ("ahu", "pendirian perseroan perorangan sertifikatnya salah nama gimana betulin"),
    ("ki", "Pendaftaran merek saya sudah 2 tahun belum ada hasil pemeriksaan substantif"),
    ("ki", "Toko online menjual barang palsu memakai merek dagang saya, mohon ditindak"),
    ("ki", "Bagaimana cara mencatatkan hak cipta lagu lewat DJKI?"),
    ("ki", "biaya pemeliharaan paten sdh dibayar tp statusnya masih dianggap ditarik kembali"),
    ("ki", "Usulan indikasi geografis kopi Flores belum ditanggapi"),
    ("ham", "Saya ingin mengadukan pelanggaran HAM oleh perusahaan tambang yang menggusur warga adat"),
    ("ham", "Pengaduan Yankomas saya di kantor wilayah belum ada balasan"),
    ("ham", "Warga penyandang disabilitas ditolak masuk hotel, ini diskriminasi"),
    ("ham", "Rumah ibadah kami disegel warga, hak beribadah kami dilanggar"),
    ("pp", "Kapan hasil harmonisasi raperda pajak daerah kabupaten kami selesai?"),
    ("pp", "Pengundangan peraturan menteri di Berita Negara terlambat"),
    ("pp", "Formasi perancang peraturan perundang-undangan untuk pemda kami"),
    ("pp", "PP tentang turunan UU Cipta Kerja kapan diundangkan?"),
    ("bphn", "OBH yang mendampingi saya minta bayaran padahal bantuan hukum gratis untuk orang miskin"),
    ("bphn", "Desa kami ingin membentuk posbankum, ke mana harus mendaftar?"),
    ("bphn", "Saya tidak mampu dan butuh pendampingan pengacara gratis"),
    ("bphn", "Website JDIH tidak bisa diakses, mau unduh undang-undang"),
    ("bphn", "Mohon diadakan penyuluhan hukum di sekolah kami tentang narkoba"),
    ("setjen", "Pengumuman hasil SKD CPNS Kemenkumham tidak sesuai, nilai saya hilang di SSCASN"),
    ("setjen", "Permohonan informasi publik ke PPID sudah 10 hari kerja tidak dijawab"),
    ("setjen", "Lelang pengadaan barang di LPSE kementerian spesifikasinya mengarah ke satu merek"),
    ("setjen", "Kenaikan pangkat dan gaji berkala pegawai saya di kanwil belum diproses bagian kepegawaian"),
    ("itjen", "Petugas lapas minta uang 500 ribu supaya suami saya dapat kamar"),
    ("itjen", "Ada pungli di kantor imigrasi, katanya biaya percepatan tanpa kwitansi"),
    ("itjen", "Saya mau lapor oknum pegawai terima suap dari notaris"),
    ("itjen", "Pegawai kanwil sering bolos dan main judi online saat jam dinas"),
    ("itjen", "sipir mukulin napi sampe babak belur"),
    ("itjen", "An immigration officer asked me for a bribe of 2 million rupiah to stamp my visa."),
    ("bsk", "Usul agar BSK melakukan riset ulang tentang indeks kualitas kebijakan"),
    ("bsk", "Mahasiswa mau minta data hasil penelitian Balitbang hukum dan HAM"),
    ("bsk", "Survei evaluasi kebijakan Badan Strategi Kebijakan linknya mati"),
    ("bpsdm", "Pengumuman kelulusan taruna Poltekip tidak jelas"),
    ("bpsdm", "Jadwal pendaftaran Politeknik Imigrasi (Poltekim) tahun ini kapan dibuka?"),
    ("bpsdm", "Sertifikat diklat pelatihan dasar CPNS dari BPSDM belum terbit"),
]

OTHERS: list[tuple[str, str]] = [
    ("Dukcapil", "E-KTP saya rusak, Dukcapil bilang blangko habis"),
    ("BPJS Kesehatan", "BPJS Kesehatan saya nonaktif padahal iuran rutin dibayar"),
    ("Kepolisian", "Laporan kehilangan motor saya di Polsek tidak ditindaklanjuti, penyidik tidak bisa dihubungi"),
    ("Mahkamah Agung", "Sidang perkara cerai saya di Pengadilan Agama ditunda terus"),
    ("Pertanahan", "Sertifikat tanah saya di BPN belum jadi 2 tahun, petugas ukur tidak datang"),
    ("Pajak", "Kode billing pajak dan DJP Online error, SPT tidak bisa lapor"),
    ("OJK", "Pinjol ilegal meneror keluarga saya"),
    ("Bea dan Cukai", "Paket kiriman dari luar negeri ditahan Bea Cukai sudah dua minggu"),
    ("Migran", "TKI asal Lombok tidak digaji majikannya di Malaysia"),
    ("KUA", "Buku nikah belum keluar dari KUA"),
    ("pemerintah daerah", "Jalan rusak berlubang di depan kantor kelurahan, lampu jalan mati"),
    ("PLN", "Listrik padam 3 hari, PLN tidak datang"),
    ("Sosial", "Bansos PKH saya tidak cair"),
    ("Ketenagakerjaan", "Pabrik tidak bayar THR dan upah di bawah UMR"),
    ("pemerintah daerah", "air PDAM mati seminggu tp tagihan tetep jalan"),
]

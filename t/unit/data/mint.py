#!/usr/bin/python3

# Makes usual.pem, svid.pem and keys.pem anew, in the current folder.  The certificates in
# the tree are fixed: the tests know their hashes and serial numbers.

# Copyright (C) the ngx_mtls_module authors

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, ed448, rsa, x25519)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def name(**attributes):
    oids = {
        'c': NameOID.COUNTRY_NAME,
        'o': NameOID.ORGANIZATION_NAME,
        'cn': NameOID.COMMON_NAME,
    }

    return x509.Name([x509.NameAttribute(oids[k], v)
                      for k, v in attributes.items()])


def mint(subject, key, serial, extensions=()):
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name(c='DE', o='Example Trust', cn='Example Issuing CA'))
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(datetime.datetime(2024, 1, 1))
        .not_valid_after(datetime.datetime(2051, 1, 1))
    )

    for value, critical in extensions:
        builder = builder.add_extension(value, critical)

    return builder.sign(issuer, hashes.SHA256())


def write(path, certificates):
    with open(path, 'wb') as f:
        for certificate in certificates:
            f.write(certificate.public_bytes(serialization.Encoding.PEM))


issuer = ec.generate_private_key(ec.SECP256R1())
key = ec.generate_private_key(ec.SECP256R1()).public_key()

usual = mint(
    name(c='DE', o='Example Devices GmbH', cn='device-4711.example.com'), key,
    0x4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a,
    [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(True, False, False, False, False, False, False, False,
                       False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH,
                                ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(
            issuer.public_key()), False),
        (x509.SubjectAlternativeName([
            x509.DNSName('device-4711.example.com'),
            x509.UniformResourceIdentifier('urn:dev:meter:00004711'),
            x509.RFC822Name('Ops@Example.com'),
            x509.DNSName('Meter.Example.COM')]), False),
        (x509.CertificatePolicies([
            x509.PolicyInformation(x509.ObjectIdentifier('2.23.140.1.2.2'),
                                   None),
            x509.PolicyInformation(
                x509.ObjectIdentifier('1.3.6.1.4.1.4788.2.150.4'),
                ['https://example.com/cps'])]), False),
        (x509.CRLDistributionPoints([
            x509.DistributionPoint(
                [x509.UniformResourceIdentifier(
                    'http://crl.example.com/issuing.crl')],
                None, None, None)]), False),
        (x509.AuthorityInformationAccess([
            x509.AccessDescription(
                x509.oid.AuthorityInformationAccessOID.OCSP,
                x509.UniformResourceIdentifier('http://ocsp.example.com'))]),
         False),
        (x509.UnrecognizedExtension(
            x509.ObjectIdentifier('1.3.6.1.4.1.32473.1'),
            b'\x0c\x0bproduction!'), False),
    ])

write('usual.pem', [usual])

write('svid.pem', [mint(
    name(c='US', o='SPIRE'), key, 0x9b70214eed73e8eb,
    [
        (x509.KeyUsage(True, False, True, False, True, False, False, False,
                       False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH,
                                ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(
            issuer.public_key()), False),
        (x509.SubjectAlternativeName([
            x509.UniformResourceIdentifier(
                'spiffe://example.org/ns/shop/sa/web')]), False),
    ])])

write('keys.pem', [
    mint(name(cn=label), public, number + 1)
    for number, (label, public) in enumerate([
        ('rsa:2048', rsa.generate_private_key(65537, 2048).public_key()),
        ('rsa:4096', rsa.generate_private_key(65537, 4096).public_key()),
        ('rsa:1025', rsa.generate_private_key(65537, 1025).public_key()),
        ('ec:prime256v1',
         ec.generate_private_key(ec.SECP256R1()).public_key()),
        ('ec:secp384r1', ec.generate_private_key(ec.SECP384R1()).public_key()),
        ('ec:secp521r1', ec.generate_private_key(ec.SECP521R1()).public_key()),
        ('ec:secp256k1', ec.generate_private_key(ec.SECP256K1()).public_key()),
        ('ec:brainpoolP384r1',
         ec.generate_private_key(ec.BrainpoolP384R1()).public_key()),
        ('ed25519', ed25519.Ed25519PrivateKey.generate().public_key()),
        ('ed448', ed448.Ed448PrivateKey.generate().public_key()),
        ('1.3.101.110', x25519.X25519PrivateKey.generate().public_key()),
    ])])

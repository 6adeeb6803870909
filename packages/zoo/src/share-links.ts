/** Links for people turned into links for programs: pure functions, checked on links as their hosts give them. */

/**
 * Where the bytes of `address` lie, in order of preference; the address itself when nothing is known of it. Empty for folders, which
 * are no file.
 */
export function directAddresses(address: string): string[] {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return [address];
  }
  const host = url.hostname.replace(/^www\./, '');
  if (host === 'drive.google.com' || host === 'docs.google.com' || host === 'drive.usercontent.google.com')
    return googleDrive(url);
  if (host === 'dropbox.com' || host === 'dl.dropbox.com') return dropbox(url);
  if (host === '1drv.ms' || host === 'onedrive.live.com') return oneDrive(url, address);
  if (host.endsWith('.sharepoint.com')) return [withParameters(url, { download: '1' })];
  if (host === 'huggingface.co' || host === 'hf.co') return huggingFace(url);
  if (host === 'github.com') return [address.replace(/^(https:\/\/github\.com\/[^/]+\/[^/]+)\/blob\//, '$1/raw/')];
  return [address];
}

function withParameters(url: URL, parameters: Readonly<Record<string, string>>): string {
  const next = new URL(url);
  for (const [name, value] of Object.entries(parameters)) next.searchParams.set(name, value);
  return next.href;
}

function googleDrive(url: URL): string[] {
  if (/\/folders\//.test(url.pathname)) return [];
  const id = /\/file\/(?:u\/\d+\/)?d\/([\w-]+)/.exec(url.pathname)?.[1] ?? url.searchParams.get('id');
  if (!id || !/^[\w-]+$/.test(id)) return [url.href];
  const key = url.searchParams.get('resourcekey');
  // `confirm=t` goes past the page that says the file is too large to be scanned.
  return [
    withParameters(new URL('https://drive.usercontent.google.com/download'), {
      id,
      export: 'download',
      confirm: 't',
      ...(key && { resourcekey: key }),
    }),
  ];
}

function dropbox(url: URL): string[] {
  if (/^\/(sh|scl\/fo)\//.test(url.pathname) && !/\.\w+$/.test(url.pathname)) return [];
  return [withParameters(url, { dl: '1' })];
}

function oneDrive(url: URL, address: string): string[] {
  const direct =
    url.hostname === '1drv.ms' || !url.searchParams.has('resid')
      ? `https://api.onedrive.com/v1.0/shares/u!${Buffer.from(address).toString('base64url')}/root/content`
      : withParameters(new URL('https://onedrive.live.com/download'), {
          resid: url.searchParams.get('resid')!,
          ...(url.searchParams.has('authkey') && { authkey: url.searchParams.get('authkey')! }),
        });
  return [direct, withParameters(url, { download: '1' })];
}

function huggingFace(url: URL): string[] {
  if (/\/tree\//.test(url.pathname)) return [];
  const next = new URL(url);
  next.hostname = 'huggingface.co';
  next.pathname = next.pathname.replace(/\/blob\//, '/resolve/');
  next.searchParams.delete('download');
  return [next.href];
}

/**
 * Google Drive's page before a large file: its form's address with its fields.
 * @returns undefined for any other page
 */
export function confirmFormAddress(html: string, pageUrl: string): string | undefined {
  const form = /<form\b[^>]*\baction="([^"]+)"[^>]*>([\s\S]*?)<\/form>/i.exec(html);
  if (!form) return undefined;
  const isGoogle = (url: URL): boolean => url.protocol === 'https:' && /(^|\.)google\.com$/.test(url.hostname);
  try {
    const action = new URL(unescaped(form[1]!), pageUrl);
    if (!isGoogle(action) || !isGoogle(new URL(pageUrl)) || !/download|uc$/.test(action.pathname)) return undefined;
    for (const [input] of form[2]!.matchAll(/<input\b[^>]*>/gi)) {
      const name = /\bname="([^"]*)"/i.exec(input)?.[1];
      if (name) action.searchParams.set(unescaped(name), unescaped(/\bvalue="([^"]*)"/i.exec(input)?.[1] ?? ''));
    }
    return action.href;
  } catch {
    return undefined;
  }
}

const unescaped = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');

//! A server that answers its requests one after the other, as a test says, and then is gone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::spawn;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use url::Url;

/// An answer: the end of the status line, further headers, and a body.
pub type Answer<'a> = (&'a str, &'a str, &'a str);

/// A server that keeps what it was sent.
#[derive(Debug)]
pub struct ScriptedServer {
    /// Base URL, with the stage `/Dev/`.
    pub url: Url,
    requests: mpsc::Receiver<Request>,
}

/// The first line of a request, in lower case, with its body; and its headers.
type Request = (String, HeaderMap);

impl ScriptedServer {
    /// Starts a server that gives each request the next of its answers, and then is gone.
    pub fn start(answers: Vec<Answer<'static>>) -> Self {
        Self::serve(answers.len(), move |number, _| answers[number])
    }

    /// Starts a server that answers so many requests, one after the other, by their number.
    pub fn serve(
        count: usize,
        answer: impl Fn(usize, &str) -> Answer<'static> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/Dev/", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        spawn(move || {
            for number in 0..count {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read_request(&stream);
                let (status, headers, body) = answer(number, &request.0);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).unwrap();
                sender.send(request).unwrap();
            }
        });
        Self {
            url: url.parse().unwrap(),
            requests,
        }
    }

    /// Returns what was sent, once all answers have been given: each request's first line, in lower case, and its body.
    pub fn requests(self) -> Vec<String> {
        self.requests.iter().map(|(request, _)| request).collect()
    }

    /// Returns the headers of what was sent, once all answers have been given.
    pub fn headers(self) -> Vec<HeaderMap> {
        self.requests.iter().map(|(_, headers)| headers).collect()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().to_ascii_lowercase();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    let headers: HeaderMap = headers.collect();
    let length = headers[CONTENT_LENGTH].to_str().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (
        format!("{line}\n{}", String::from_utf8(body).unwrap()),
        headers,
    )
}
